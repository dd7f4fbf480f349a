/// Prices that the caller sets for one call: `cf-aig-custom-cost`, in US dollars per token.
package struct CustomCost: Equatable, Sendable {
    package var perTokenIn: Double?
    package var perTokenOut: Double?
    package var perCacheReadToken: Double?
    package var perCacheWriteToken: Double?
    /// A fixed price for the call, whatever its tokens.
    package var totalCost: Double?

    private static let paths = FieldPaths([
        "per_token_in", "per_token_out", "per_cache_read_token", "per_cache_write_token", "total_cost",
    ])

    /// - Returns: `nil` unless the text is a JSON object with at least one of the prices, each finite and ≥ 0.
    package init?(json: String) {
        var text = json
        let prices = text.withUTF8 { utf8 -> [Double?]? in
            let bytes = UnsafeRawBufferPointer(utf8)
            let found = try? FieldScanner.scan(bytes, for: Self.paths) { slots in
                slots.map { slot -> (FieldValue.Kind, Double?) in (slot.kind, slot.number(in: bytes)) }
            }
            guard let found else { return nil }
            for (kind, price) in found where kind != .absent && (price ?? -1) < 0 { return nil }
            return found.map(\.1)
        }
        guard let prices, prices.contains(where: { $0 != nil }) else { return nil }
        perTokenIn = prices[0]
        perTokenOut = prices[1]
        perCacheReadToken = prices[2]
        perCacheWriteToken = prices[3]
        totalCost = prices[4]
    }
}
