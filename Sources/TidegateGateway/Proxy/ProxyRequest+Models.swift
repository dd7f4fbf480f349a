internal import NIOCore
internal import NIOHTTP1

extension ProxyRequest {
    /// `compat/models`: what this endpoint takes and the price table knows, in OpenAI's shape, with prices in US dollars
    /// per token.
    func listModels() {
        guard !isOver else { return }
        let lists = Dictionary(grouping: loop.prices.entries, by: \.provider)
        var data: [String] = []
        for slug in loop.providers.compatSlugs {
            var seen: Set<String> = []
            for entry in ModelNames.lists(for: slug).flatMap({ lists[$0] ?? [] })
            where seen.insert(entry.model).inserted {
                let id = JSONText.quoted("\(slug)/\(entry.model)")
                let (costIn, costOut) = (Double(entry.price.input) / 1e12, Double(entry.price.output) / 1e12)
                data.append(
                    "{\"id\":\(id),\"object\":\"model\",\"cost_in\":\(costIn),\"cost_out\":\(costOut),"
                        + "\"owned_by\":\(JSONText.quoted(slug))}")
            }
        }
        let text = "{\"object\":\"list\",\"data\":[\(data.joined(separator: ","))]}"
        answered(.completed)
        respond(
            status: 200, headers: ownHeaders(step: nil, isLogged: false, eventID: nil, count: 4),
            body: loop.allocator.buffer(string: text))
    }
}
