internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Finds socket addresses for `host:port`. Numbers are read here and now; names are looked up on another thread, one
/// after the other, and kept: an old answer serves until a newer one is there. Lives on the gossip's event loop.
final class GossipResolver {
    enum Answer {
        case known(SocketAddress)
        /// Ask again once `resolved` has named it.
        case pending
        case none
    }

    private struct Entry {
        var address: SocketAddress?
        /// Literals never change.
        var askAgainAt: NIODeadline?
    }

    private let loop: any EventLoop
    private let isIPv6: Bool
    /// Called on the event loop with the text that was asked for, whether an address was found or not.
    var resolved: (String) -> Void = { _ in }
    private var entries: [String: Entry] = [:]
    private var waiting: [String] = []
    private var running: String?

    static let entriesMax = 2_048
    static let waitingMax = 64
    private static let validity = TimeAmount.seconds(30)
    private static let pauseAfterFailure = TimeAmount.seconds(2)

    init(loop: any EventLoop, isIPv6: Bool) {
        self.loop = loop
        self.isIPv6 = isIPv6
    }

    func find(_ text: String, at now: NIODeadline) -> Answer {
        if let entry = entries[text] {
            if let due = entry.askAgainAt, now >= due { ask(text) }
            return entry.address.map { .known($0) } ?? (isAsked(text) ? .pending : .none)
        }
        guard let address = GossipAddress(text) else { return .none }
        if let literal = literal(address) {
            keep(text, Entry(address: literal))
            return .known(literal)
        }
        ask(text)
        return isAsked(text) ? .pending : .none
    }

    private func isAsked(_ text: String) -> Bool { running == text || waiting.contains(text) }

    private func ask(_ text: String) {
        guard !isAsked(text), waiting.count < Self.waitingMax else { return }
        waiting.append(text)
        askNext()
    }

    private func askNext() {
        guard running == nil, !waiting.isEmpty else { return }
        let text = waiting.removeFirst()
        guard let address = GossipAddress(text) else { return askNext() }
        running = text
        let isIPv6 = isIPv6
        let bound = NIOLoopBound(self, eventLoop: loop)
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            Self.lookUp(address, isIPv6: isIPv6)
        }.whenComplete { result in
            bound.value.finish(text, (try? result.get()).flatMap(\.self), at: .now())
        }
    }

    private func finish(_ text: String, _ address: SocketAddress?, at now: NIODeadline) {
        running = nil
        // A name that is not found any more keeps its last address: DNS being away must not part the cluster.
        let kept = address ?? entries[text]?.address
        keep(text, Entry(address: kept, askAgainAt: now + (address == nil ? Self.pauseAfterFailure : Self.validity)))
        resolved(text)
        askNext()
    }

    private func keep(_ text: String, _ entry: Entry) {
        // Members' addresses are few; whoever names thousands makes everybody be looked up again, no more.
        if entries.count >= Self.entriesMax, entries[text] == nil { entries = [:] }
        entries[text] = entry
    }

    // MARK: Numbers and names

    private func literal(_ address: GossipAddress) -> SocketAddress? {
        guard let plain = try? SocketAddress(ipAddress: address.host, port: address.port) else { return nil }
        guard isIPv6, case .v4 = plain else { return plain }
        return try? SocketAddress(ipAddress: "::ffff:" + address.host, port: address.port)
    }

    /// Blocks. An address of the socket's own family: the others could not be sent to.
    private static func lookUp(_ address: GossipAddress, isIPv6: Bool) -> SocketAddress? {
        var hints = addrinfo()
        hints.ai_family = isIPv6 ? AF_INET6 : AF_INET
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = isIPv6 ? AI_V4MAPPED : 0
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, nil, &hints, &found) == 0, let first = found else { return nil }
        defer { freeaddrinfo(found) }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard
            getnameinfo(
                first.pointee.ai_addr, first.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                == 0
        else { return nil }
        let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return try? SocketAddress(ipAddress: host, port: address.port)
    }
}
