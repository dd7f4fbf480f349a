import Logging
import Synchronization
import TidegateCore

@testable import TidegateManagement

struct Reply: Sendable {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var bytes: [UInt8] = []
    var ends = 0

    var text: String { String(decoding: bytes, as: UTF8.self) }
    var json: JSONValue? { JSONValue(parsing: bytes) }
    var result: JSONValue? { json?["result"] }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

extension JSONValue {
    subscript(name: String) -> JSONValue? { if case .object(let fields) = self { fields[name] } else { nil } }
    subscript(index: Int) -> JSONValue? {
        if case .array(let items) = self, items.indices.contains(index) { items[index] } else { nil }
    }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var count: Int? { if case .array(let items) = self { items.count } else { nil } }
}

final class Recorder: ControlResponseWriter {
    let reply = Mutex(Reply())
    func head(status: Int, headers: [(name: String, value: String)]) async throws {
        reply.withLock { ($0.status, $0.headers) = (status, headers) }
    }
    func part(_ bytes: [UInt8]) async throws { reply.withLock { $0.bytes += bytes } }
    func end() async throws { reply.withLock { $0.ends += 1 } }
}

struct StillClock: WallClock {
    func milliseconds() -> Int64 { 1_790_845_200_000 }
}

final class MemoryStatus: NodeStatusSource {
    let reason = Mutex<String?>(nil)
    func notReadyReason() async -> String? { reason.withLock { $0 } }
    func statusJSON() async -> [UInt8] { Array(#"{"node":"n1"}"#.utf8) }
    func metricsText() async -> String { "tidegate_up 1\n" }
}

/// The API over fakes, and a short way to call it.
struct Bench {
    static let secret = "administrator-secret"
    static let gateways = "/client/v4/accounts/acme/ai-gateway/gateways"
    static let gatewayBody =
        #""cache_invalidate_on_update":false,"cache_ttl":300,"collect_logs":true,"#
        + #""rate_limiting_interval":60,"rate_limiting_limit":100"#

    let accounts = MemoryAccounts()
    let logs = MemoryLogs()
    let status = MemoryStatus()
    let api: ManagementAPI

    init() {
        api = ManagementAPI(
            accounts: accounts, logs: logs, directory: accounts, status: status,
            administratorToken: AdministratorToken(secret: Self.secret), clock: StillClock(), region: "r1",
            publicURL: { "http://127.0.0.1:8787" }, logger: Logger(label: "test"))
    }

    func call(
        _ method: String, _ target: String, _ body: String = "", token: String? = secret,
        headers: [(name: String, value: String)] = []
    ) async -> Reply {
        let writer = Recorder()
        let credential = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
        await api.respond(
            to: ControlRequest(method: method, target: target, headers: credential + headers, body: Array(body.utf8)),
            through: writer)
        return writer.reply.withLock { $0 }
    }

    @discardableResult func makeGateway(_ name: String = "prod") async -> Reply {
        await call("POST", Self.gateways, "{\"id\":\"\(name)\",\(Self.gatewayBody)}")
    }

    func makeToken(_ fields: String) async -> String {
        let reply = await call("POST", "/client/v4/accounts/acme/tokens", "{\"name\":\"t\",\(fields)}")
        return reply.result?["secret"]?.text ?? ""
    }
}
