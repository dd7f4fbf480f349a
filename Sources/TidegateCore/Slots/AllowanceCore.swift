/// When a gateway's owner asks for more rows, and how many (protocol §9).
package struct AllowanceCore: Sendable {
    package struct Settings: Equatable, Sendable {
        /// Shortest distance between two requests.
        package var spacing: Duration = .milliseconds(200)
        /// How long the answer "full" is believed before it is asked for again.
        package var fullLasts: Duration = .seconds(1)
        /// Rows of a grant to an account with a cap, while the rate is low.
        package var grantMax: Int64 = 1_000
        /// The same without a cap of the account: nothing can be stranded, so fewer requests win.
        package var uncappedGrant: Int64 = 10_000
        package init() {}
    }

    package enum Starved: Equatable, Sendable {
        case ask
        /// A request is on its way.
        case wait
        case full
        case later(Duration)
    }

    private let settings: Settings
    private var isAsking = false
    private var lastAsk: Duration?
    private var lastGrant: Int64 = 0
    private var fullSince: Duration?
    private var admitted: Int64 = 0
    /// Rows a second since the last request.
    package private(set) var rate: Int64 = 0

    package init(settings: Settings = Settings()) { self.settings = settings }

    package mutating func admitted(_ rows: Int64) { admitted += rows }

    /// Whether to ask ahead: less than a quarter of the last grant is left. `true` starts the request.
    package mutating func shouldAskAhead(room: Int64, at now: Duration) -> Bool {
        guard !isAsking, room < lastGrant / 4, fullSince == nil, spacingLeft(at: now) == nil else { return false }
        begin(at: now)
        return true
    }

    /// There is no room for a row. `.ask` starts the request.
    package mutating func starved(at now: Duration) -> Starved {
        if isAsking { return .wait }
        if let fullSince, now < fullSince + settings.fullLasts { return .full }
        if let left = spacingLeft(at: now) { return .later(left) }
        begin(at: now)
        return .ask
    }

    /// - Parameter rows: what was granted; 0 when the cap is truly reached; `nil` when nobody could tell.
    package mutating func answered(granted rows: Int64?, at now: Duration) {
        isAsking = false
        guard let rows else { return }
        fullSince = rows > 0 ? nil : now
        if rows > 0 { lastGrant = rows }
    }

    /// Forgets that the cap was reached: it may have moved.
    package mutating func capChanged() {
        fullSince = nil
        lastAsk = nil
    }

    private mutating func begin(at now: Duration) {
        if let lastAsk {
            let milliseconds = max(1, (now - lastAsk) / .milliseconds(1))
            rate = Int64(min(1e9, Double(admitted) * 1_000 / milliseconds))
        }
        admitted = 0
        isAsking = true
        lastAsk = now
    }

    private func spacingLeft(at now: Duration) -> Duration? {
        guard let lastAsk, now < lastAsk + settings.spacing else { return nil }
        return lastAsk + settings.spacing - now
    }

    /// Rows to grant.
    ///
    /// §9 says `clamp(free / (2 · active), 1, 1000)` every 200 ms, which would hold one gateway at 5 000 rows a second.
    /// What the upper bound protects is other gateways' share of the account's free part, and `free / (2 · active)` alone
    /// does that; so the bound grows to two seconds of the recent rate. An account without a cap has no share to protect.
    /// - Parameters:
    ///   - accountFree: rows of the account that nobody holds; `nil` is no cap.
    ///   - gatewayFree: rows up to the gateway's own cap; `nil` is no cap.
    ///   - active: gateways among which the free part is shared.
    package static func grant(
        accountFree: Int64?, gatewayFree: Int64?, active: Int, rate: Int64, settings: Settings = Settings()
    ) -> Int64 {
        let base = accountFree == nil ? settings.uncappedGrant : settings.grantMax
        var rows = max(base, min(rate, .max / 4) * 2)
        if let accountFree {
            guard accountFree > 0 else { return 0 }
            // The account's only gateway has nobody to leave something for.
            let share = active <= 1 ? accountFree : accountFree / Int64(2 * min(active, 1 << 20))
            rows = min(rows, max(1, share))
        }
        if let gatewayFree { rows = min(rows, max(0, gatewayFree)) }
        return rows
    }
}
