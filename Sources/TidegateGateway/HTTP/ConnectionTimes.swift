internal import NIOCore
internal import NIOHTTP1

/// The deadlines of one connection, looked at once a tick: no timer is made per request.
struct ConnectionTimes {
    struct Limits {
        let head: TimeAmount
        let body: TimeAmount
        let bodyBytesMin: Int
        let write: TimeAmount
        let idle: TimeAmount

        init(_ settings: DataPlaneSettings) {
            head = TimeAmount(settings.headTimeout)
            body = TimeAmount(settings.bodyTimeout)
            bodyBytesMin = settings.bodyBytesMin
            write = TimeAmount(settings.writeTimeout)
            idle = TimeAmount(settings.idleTimeout)
        }
    }
    enum Verdict { case fine, closeQuietly, refuse }

    private static let lingerTime = TimeAmount.seconds(2)

    var isOpen = false
    private(set) var discardedBytes = 0
    private let limits: Limits
    /// When the wait for a head began; `headStarted` when its first byte was there.
    private var isFirst = true
    private var waitsSince: NIODeadline
    private var headStarted: NIODeadline?
    private var bodyWindow: NIODeadline
    private var bodyWindowBytes = 0
    private var blockedSince: NIODeadline?
    private var lingersUntil: NIODeadline?

    init(now: NIODeadline, limits: Limits) {
        self.limits = limits
        waitsSince = now
        bodyWindow = now
    }

    mutating func bytesArrived(_ now: NIODeadline) { headStarted = headStarted ?? now }

    mutating func requestBegan(_ now: NIODeadline) {
        headStarted = nil
        isFirst = false
        bodyWindow = now
        bodyWindowBytes = 0
    }

    mutating func requestEnded(_ now: NIODeadline) { waitsSince = now }

    mutating func progressed(_ now: NIODeadline, bodyBytes: Int) {
        guard bodyBytes - bodyWindowBytes >= limits.bodyBytesMin else { return }
        bodyWindow = now
        bodyWindowBytes = bodyBytes
    }

    mutating func bodyResumed(_ now: NIODeadline) { bodyWindow = now }

    mutating func flushed(_ now: NIODeadline, writable: Bool) {
        if !writable, blockedSince == nil { blockedSince = now }
    }

    mutating func writability(_ writable: Bool, _ now: NIODeadline) { blockedSince = writable ? nil : now }

    mutating func lingers(_ now: NIODeadline) { lingersUntil = now + Self.lingerTime }

    mutating func discarded(_ part: HTTPServerRequestPart) {
        if case .body(let bytes) = part { discardedBytes += bytes.readableBytes }
    }

    func verdict(_ now: NIODeadline, idle: Bool, waitsForBody: Bool, bodyBytes: Int) -> Verdict {
        if let lingersUntil { return now > lingersUntil ? .closeQuietly : .fine }
        if let blockedSince, now - blockedSince > limits.write { return .closeQuietly }
        if idle {
            if let headStarted, now - headStarted > limits.head { return .refuse }
            return headStarted == nil && now - waitsSince > (isFirst ? limits.head : limits.idle)
                ? .closeQuietly : .fine
        }
        return waitsForBody && now - bodyWindow > limits.body ? .refuse : .fine
    }
}
