import Crypto
import Synchronization
import TidegateCore

@testable import TidegateGateway

struct FakeClock: WallClock {
    func milliseconds() -> Int64 { 1_790_000_000_000 }
}

/// Gateways and tokens; `cold` ones are only found by asking.
final class FakeDirectory: GatewayDirectory {
    private struct State {
        var gateways: [String: GatewayView] = [:]
        var tokens: [TokenDigest: TokenView] = [:]
        var isCold = false
    }
    private let state = Mutex(State())

    init() { add("g") }

    func add(_ name: String, _ change: (inout GatewaySettings) -> Void = { _ in }) {
        var settings = GatewaySettings()
        change(&settings)
        let view = GatewayView(
            account: "acc", name: name, uid: GatewayUID(bits: 7), settings: settings, revision: 1, createdAtMs: 0,
            modifiedAtMs: 0)
        state.withLock { $0.gateways[name] = view }
    }

    func addToken(
        _ secret: String, _ permissions: Set<TokenPermission> = [.run], gateways: Set<String>? = nil,
        expiresAtMs: Int64? = nil
    ) {
        let digest = TokenDigest(bytes: Array(SHA256.hash(data: Array(secret.utf8))))
        let view = TokenView(
            account: "acc", id: "t", digest: digest, permissions: permissions, gateways: gateways,
            expiresAtMs: expiresAtMs)
        state.withLock { $0.tokens[digest] = view }
    }

    func goCold() { state.withLock { $0.isCold = true } }

    func cachedGateway(account: String, name: String) -> GatewayView? {
        state.withLock { $0.isCold || account != "acc" ? nil : $0.gateways[name] }
    }
    func resolveGateway(account: String, name: String) async throws(TidegateError) -> GatewayView? {
        if name == "down" { throw TidegateError(.unavailable, "no store") }
        return state.withLock { account == "acc" ? $0.gateways[name] : nil }
    }
    func adopt(_ gateway: GatewayView) {}
    func cachedToken(account: String, digest: TokenDigest) -> TokenView? {
        state.withLock { $0.isCold ? nil : $0.tokens[digest] }
    }
    func resolveToken(account: String, digest: TokenDigest) async throws(TidegateError) -> TokenView? {
        state.withLock { $0.tokens[digest] }
    }
}

/// Keeps rows in memory and writes down what was called in which order.
final class FakeCapture: CaptureLog {
    struct State {
        var calls: [String] = []
        var rows: [LogRecord] = []
        var announced: [LogRecord] = []
        var admission: CaptureAdmission?
        var fails = false
        var isPending = false
        var release: [@Sendable (TidegateError?) -> Void] = []
        var waiters: [(count: Int, CheckedContinuation<Void, Never>)] = []
        var takesFiles = true
        /// Bytes that a file takes before it fails.
        var fileBytesMax = Int.max
        /// Contents of finished files, by what `finish` returned.
        var files: [String: [UInt8]] = [:]
        var filesOpen = 0
        /// Called within `writeIntent` and `complete`.
        var probe: (@Sendable (String) -> Void)?
    }
    let state = Mutex(State())

    var rows: [LogRecord] { state.withLock { $0.rows } }
    var calls: [String] { state.withLock { $0.calls } }

    /// Returns when `count` rows were completed.
    func rows(_ count: Int) async -> [LogRecord] {
        await withCheckedContinuation { waiter in
            let isThere = state.withLock { state in
                if state.rows.count >= count { return true }
                state.waiters.append((count, waiter))
                return false
            }
            if isThere { waiter.resume() }
        }
        return rows
    }

    func admit(_ id: RecordID, gateway: GatewayUID, policy: FullOutboxPolicy) -> CaptureAdmission {
        state.withLock { state in
            state.calls.append("admit")
            return state.admission
                ?? .admitted(CaptureTicket(intent: UInt64(state.calls.count), id: id, gateway: gateway))
        }
    }

    func writeIntent(_ ticket: CaptureTicket, announcing record: LogRecord) throws(TidegateError) {
        let (fails, probe) = state.withLock { state in
            if state.probe == nil { state.calls.append("intent") }
            state.announced.append(record)
            return (state.fails, state.probe)
        }
        probe?("intent")
        if fails { throw TidegateError(.unavailable, "disk full") }
    }

    func complete(
        _ ticket: CaptureTicket, _ record: LogRecord, whenDurable: @escaping @Sendable (TidegateError?) -> Void
    ) throws(TidegateError) -> CaptureResult {
        state.withLock { $0.probe }?("complete")
        let (fails, isPending, ready) = state.withLock { state in
            if state.probe == nil { state.calls.append("complete") }
            if !state.fails { state.rows.append(record) }
            if state.isPending { state.release.append(whenDurable) }
            let count = state.rows.count
            let ready = state.waiters.filter { $0.count <= count }.map(\.1)
            state.waiters.removeAll { $0.count <= count }
            return (state.fails, state.isPending, ready)
        }
        for waiter in ready { waiter.resume() }
        if fails { throw TidegateError(.unavailable, "disk full") }
        return isPending ? .pending : .durable
    }

    func openBody(_ part: BodyPart, of ticket: CaptureTicket) -> (any BodyFile)? {
        state.withLock { $0.takesFiles } ? FakeBodyFile(self) : nil
    }

    func abandon(_ ticket: CaptureTicket) { state.withLock { $0.calls.append("abandon") } }
}

/// A file in memory.
final class FakeBodyFile: BodyFile {
    private let capture: FakeCapture
    private var bytes: [UInt8] = []
    private var isGone = false
    private var name: String?

    init(_ capture: FakeCapture) {
        self.capture = capture
        capture.state.withLock { $0.filesOpen += 1 }
    }

    deinit { if name == nil { discard() } }

    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        self.bytes += bytes
        if self.bytes.count > capture.state.withLock({ $0.fileBytesMax }) { discard() }
        return !isGone
    }

    func contents(bytesMax: Int) -> [UInt8]? { bytes.count <= bytesMax ? bytes : nil }

    func finish() -> String {
        capture.state.withLock { state in
            let name = "~\(bytes.count)"
            state.files[name] = bytes
            state.filesOpen -= 1
            self.name = name
            return name
        }
    }

    func discard() {
        guard !isGone else { return }
        isGone = true
        capture.state.withLock { state in
            if let name { state.files[name] = nil } else { state.filesOpen -= 1 }
        }
        name = ""
    }
}

/// Echoes what it was asked; `/large` answers in many parts.
struct FakeControl: ControlPlane {
    func respond(to request: ControlRequest, through writer: any ControlResponseWriter) async {
        do {
            switch request.target {
            case "/large":
                try await writer.head(status: 200, headers: [(name: "X-Kind", value: "large")])
                for _ in 0..<64 { try await writer.part([UInt8](repeating: 0x61, count: 64 * 1024)) }
            case "/silent": return
            default:
                let text = "\(request.method) \(request.target) \(request.body.count)"
                try await writer.head(
                    status: 200, headers: [(name: "content-length", value: String(text.utf8.count))])
                try await writer.part(Array(text.utf8))
            }
            try await writer.end()
        } catch {}
    }
}

extension FakeCapture {
    /// From now on calls are noted with the bytes `client` has by then; bytes under way get time to arrive.
    func watch(_ client: RawClient) {
        state.withLock { state in
            state.probe = { [self] name in
                let before = client.receivedBytes
                let end = ContinuousClock.now + .milliseconds(30)
                while ContinuousClock.now < end, client.receivedBytes == before {}
                self.state.withLock { $0.calls.append("\(name) \(client.receivedBytes)") }
            }
        }
    }
}
