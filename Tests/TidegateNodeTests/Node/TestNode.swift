import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import TidegateCore
import TidegateNode
import TidegateTelemetry
import TidegateTools

/// A real node on loopback with a mock provider behind it, in one process. Its state directory outlives `restart`.
final class TestNode {
    let state: String
    let mock: MockProvider
    private(set) var node: Node
    private var running: Task<Void, any Error>
    private let settings: ServeSettings

    var url: String { node.publicURL }

    static func start(_ change: (inout ServeSettings) -> Void = { _ in }) async throws -> TestNode {
        let state = NSTemporaryDirectory() + "tidegate-node-\(UUID().uuidString)"
        let mock = try await MockProvider.start(group: MultiThreadedEventLoopGroup.singleton)
        var settings = ServeSettings()
        settings.listen.port = 0
        settings.state = state
        settings.eventLoops = 1
        settings.providers = [
            "openai": "http://127.0.0.1:\(mock.port)/v1", "anthropic": "http://127.0.0.1:\(mock.port)",
        ]
        change(&settings)
        return TestNode(settings, mock, try await Self.node(settings))
    }

    private init(_ settings: ServeSettings, _ mock: MockProvider, _ node: Node) {
        state = settings.state
        (self.settings, self.mock, self.node) = (settings, mock, node)
        running = Task { try await node.run() }
    }

    private static func node(_ settings: ServeSettings) async throws -> Node {
        var logger = Logger(label: "test")
        logger.logLevel = .error
        return try await Node.start(settings, registry: PrometheusRegistry(), logger: logger)
    }

    func stop() async throws {
        await node.stop()
        try await running.value
    }

    func restart() async throws {
        try await stop()
        try await restartAfterStop()
    }

    func restartAfterStop() async throws {
        let node = try await Self.node(settings)
        self.node = node
        running = Task { try await node.run() }
    }

    /// Stops everything and removes the state.
    func remove() async throws {
        try await stop()
        await mock.close()
        try FileManager.default.removeItem(atPath: state)
    }

    struct Answer {
        var status: Int
        var headers: [String: String]
        var body: Data
        var json: JSONValue? { try? JSONDecoder().decode(JSONValue.self, from: body) }
    }

    func call(
        _ method: String = "GET", _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url + path)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body { request.body = .bytes(Array(body.utf8)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        let pairs = response.headers.map { ($0.name.lowercased(), $0.value) }
        return Answer(
            status: Int(response.status.code), headers: Dictionary(pairs) { $1 }, body: Data(bytes.readableBytesView))
    }

    /// The management API with the administrator's token.
    func manage(_ method: String = "GET", _ path: String, body: String? = nil) async throws -> Answer {
        try await call(
            method, "/client/v4/accounts" + path, headers: ["authorization": "Bearer \(node.administratorToken)"],
            body: body)
    }

    func chat(
        _ prompt: String, account: String = "default", gateway: String = "default", headers: [String: String] = [:]
    ) async throws -> Answer {
        let all = ["authorization": "Bearer sk-test", "content-type": "application/json"]
        return try await call(
            "POST", "/v1/\(account)/\(gateway)/openai/chat/completions",
            headers: all.merging(headers) { $1 },
            body: #"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\#(prompt)"}]}"#)
    }

    /// Asks again until `accept` takes the answer; the last answer after ten seconds.
    func eventually(
        _ path: String, _ accept: (Answer) -> Bool
    ) async throws -> Answer {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let answer = try await manage("GET", path)
            if accept(answer) || ContinuousClock.now > deadline { return answer }
            await Task.yield()
        }
    }
}

extension JSONValue {
    subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }
    subscript(index: Int) -> JSONValue? {
        if case .array(let items) = self, items.indices.contains(index) { items[index] } else { nil }
    }
    var count: Int? { if case .array(let items) = self { items.count } else { nil } }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
}
