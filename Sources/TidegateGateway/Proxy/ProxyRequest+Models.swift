internal import NIOCore
internal import NIOHTTP1

extension ProxyRequest {
    /// `compat/models`: what the price table knows, in OpenAI's shape with prices in US dollars per token.
    func listModels() {
        guard !isOver else { return }
        let reachable = Set(loop.providers.slugs)
        var data: [String] = []
        for entry in loop.prices.entries where reachable.contains(entry.provider) {
            let id = JSONText.quoted("\(entry.provider)/\(entry.model)")
            let (costIn, costOut) = (Double(entry.price.input) / 1e12, Double(entry.price.output) / 1e12)
            data.append(
                "{\"id\":\(id),\"object\":\"model\",\"cost_in\":\(costIn),\"cost_out\":\(costOut),"
                    + "\"owned_by\":\(JSONText.quoted(entry.provider))}")
        }
        let text = "{\"object\":\"list\",\"data\":[\(data.joined(separator: ","))]}"
        answered(.completed)
        respond(
            status: 200, headers: ownHeaders(step: nil, isLogged: false, eventID: nil, count: 4),
            body: loop.allocator.buffer(string: text))
    }
}
