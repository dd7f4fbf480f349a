internal import Crypto
package import TidegateCore

/// Prices of models. Made once at start and never changed; a change of configuration makes another.
package struct PriceTable: Sendable {
    package struct Entry: Equatable, Sendable {
        /// Slug as in URLs, or the name of one of the bundled lists.
        package var provider: String
        package var model: String
        package var price: ModelPrice
        package init(provider: String, model: String, price: ModelPrice) {
            self.provider = provider
            self.model = model
            self.price = price
        }
    }

    /// Names the content: equal for equal prices, whatever their order. Rows keep it beside their cost.
    package let version: String
    /// List → model as written, lower case → price.
    private let lists: [String: [String: ModelPrice]]
    /// The same without builds, for calls that name the model shorter than the list does.
    private let families: [String: [String: ModelPrice]]

    /// The prices that came with this build.
    package static func bundled() throws(TidegateError) -> PriceTable { try PriceTable(csv: ModelPrices.csv) }

    /// - Parameters:
    ///   - csv: a heading, then `provider,model,input,output,cache read,cache write` in US dollars per million tokens. An empty
    ///     cache price is the input price, an empty output price 0.
    ///   - version: `nil` makes one from the content.
    /// - Throws: `.invalidConfiguration` with the line at fault.
    package init(csv: String, version: String? = nil) throws(TidegateError) {
        var entries: [Entry] = []
        for (number, line) in csv.split(whereSeparator: \.isNewline).enumerated().dropFirst() {
            guard let entry = Self.entry(line) else {
                throw TidegateError(
                    .invalidConfiguration, "Line \(number + 1) of the price list cannot be read: \(line)")
            }
            entries.append(entry)
        }
        self.init(entries: entries, version: version)
    }

    package init(entries: [Entry], version: String? = nil) {
        var lists: [String: [String: ModelPrice]] = [:]
        for entry in entries {
            lists[entry.provider.lowercased(), default: [:]][entry.model.lowercased()] = entry.price
        }
        self.init(lists: lists, version: version)
    }

    private init(lists: [String: [String: ModelPrice]], version: String?) {
        self.lists = lists
        families = lists.mapValues { prices in
            var families: [String: ModelPrice] = [:]
            // In reverse, so that of several builds the last by name (the newest date, `latest`) speaks for its family.
            for model in prices.keys.sorted().reversed() {
                guard let family = ModelNames.candidates(model).last, prices[family] == nil else { continue }
                if families[family] == nil { families[family] = prices[model] }
            }
            return families
        }
        self.version = version ?? Self.hash(lists)
    }

    /// This table with `entries` in place of its own for the same provider and model.
    package func overriding(with entries: [Entry]) -> PriceTable {
        var lists = lists
        for entry in entries {
            lists[entry.provider.lowercased(), default: [:]][entry.model.lowercased()] = entry.price
        }
        return PriceTable(lists: lists, version: nil)
    }

    /// - Parameters:
    ///   - provider: slug as in URLs.
    ///   - model: as the answer or the request names it; see `ModelNames` for what counts as the same model.
    package func price(provider: String, model: String) -> ModelPrice? {
        let names = ModelNames.candidates(model)
        for list in ModelNames.lists(for: provider) {
            if let price = price(in: list, names) { return price }
        }
        guard let slash = model.firstIndex(of: "/"),
            let list = ModelNames.listOfAuthor[model[..<slash].lowercased()],
            provider == "openrouter" || ModelNames.lists(for: provider).contains(list)
        else { return nil }
        return price(in: list, ModelNames.candidates(String(model[model.index(after: slash)...])))
    }

    /// - Returns: `nil` for a model without a price, or a sum that does not fit.
    package func cost(provider: String, model: String, usage: TokenUsage) -> PicoUSD? {
        price(provider: provider, model: model)?.cost(of: usage)
    }

    private func price(in list: String, _ names: [String]) -> ModelPrice? {
        for name in names {
            if let price = lists[list]?[name] { return price }
        }
        for name in names {
            if let price = families[list]?[name] { return price }
        }
        return nil
    }

    private static func entry(_ line: Substring) -> Entry? {
        let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(OptionValue.trimmed(_:))
        guard cells.count == 6, !cells[0].isEmpty, !cells[1].isEmpty, let input = Double(cells[2]) else { return nil }
        let rest = cells[3...].map { $0.isEmpty ? 0 : Double($0) }
        guard let output = rest[0], rest[1] != nil, rest[2] != nil else { return nil }
        let price = ModelPrice(
            inputPerMillion: input, outputPerMillion: output,
            cacheReadPerMillion: cells[4].isEmpty ? nil : rest[1],
            cacheWritePerMillion: cells[5].isEmpty ? nil : rest[2])
        return price.map { Entry(provider: String(cells[0]), model: String(cells[1]), price: $0) }
    }

    private static func hash(_ lists: [String: [String: ModelPrice]]) -> String {
        var lines: [String] = []
        for (provider, models) in lists {
            for (model, price) in models {
                lines.append(
                    "\(provider),\(model),\(price.input),\(price.output),\(price.cacheRead),\(price.cacheWrite)")
            }
        }
        let digest = SHA256.hash(data: Array(lines.sorted().joined(separator: "\n").utf8))
        return digest.prefix(6).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

extension PriceTable {
    /// Every price, ordered by list and model.
    package var entries: [Entry] {
        lists.sorted { $0.key < $1.key }.flatMap { provider, models in
            models.sorted { $0.key < $1.key }.map { Entry(provider: provider, model: $0.key, price: $0.value) }
        }
    }
}
