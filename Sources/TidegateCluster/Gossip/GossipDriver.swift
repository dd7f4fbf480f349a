internal import Logging
internal import NIOCore
internal import Synchronization
internal import TidegateCore

/// The shell of `SwimCore`: carries its effects out on one UDP socket and wakes it in time. Decides nothing about members.
///
/// Lives on the gossip's own event loop, which does nothing else: a busy database or a full task pool delays no answer.
/// Bounded: the core's tables, the socket's buffer, `heldMax` datagrams that wait for names.
final class GossipDriver: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let shared: GossipShared
    private let settings: GossipSettings
    private let wallClock: any WallClock
    private let resolver: GossipResolver
    private let logger: Logger
    private let metrics = GossipMetrics()
    private let origin: NIODeadline
    private var random = SystemRandomNumberGenerator()
    private var core: SwimCore
    private var seal: GossipSeal
    private var context: ChannelHandlerContext?
    private var isReading = false

    private var membership: GossipMembership
    private var told: SwimCore.Counters
    private var wake: (at: NIODeadline, task: Scheduled<Void>)?
    /// What this node wants to say about itself; told when it is due.
    private var wanted: MemberProfile
    private var nextProfileAt: NIODeadline
    private var profileTask: Scheduled<Void>?
    private var leaving: EventLoopPromise<Void>?
    /// Datagrams to names that are being looked up.
    private var held: [(bytes: [UInt8], address: String)] = []
    private static let heldMax = 64

    init(
        own: Member, settings: GossipSettings, ring: GossipKeyRing, wallClock: any WallClock, shared: GossipShared,
        loop: any EventLoop, isIPv6: Bool, logger: Logger
    ) {
        self.shared = shared
        self.settings = settings
        self.wallClock = wallClock
        self.logger = logger
        resolver = GossipResolver(loop: loop, isIPv6: isIPv6)
        origin = .now()
        nextProfileAt = origin
        wanted = own.profile
        core = SwimCore(own: own, seeds: settings.seeds, settings: settings.swim, at: .zero)
        seal = GossipSeal(
            ring: ring, sender: random.next(), at: wallClock.milliseconds(),
            taken: ReplayGuard(freshness: settings.freshness))
        membership = GossipMembership(own: own)
        told = core.counters
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        resolver.resolved = { [unowned self] in release($0) }
        handle(.tick)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        wake?.task.cancel()
        profileTask?.cancel()
        self.context = nil
        resolver.resolved = { _ in }
        finishLeaving()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let bytes = Array(unwrapInboundIn(data).data.readableBytesView)
        count { metrics.received(bytes.count, &$0) }
        do throws(GossipSeal.Drop) {
            // Where it came from is not looked at: anybody may write that. Answers go to the address inside the seal.
            handle(.received(try seal.open(bytes, at: wallClock.milliseconds())))
        } catch {
            count { metrics.dropped(.incoming(error), &$0) }
            logger.trace("Gossip datagram dropped", metadata: ["reason": "\(error.rawValue)"])
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        context.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("Gossip socket reports an error", metadata: ["error": "\(error)"])
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !shared.isStopping {
            logger.error("The gossip socket is closed; the others will take this node for dead")
        }
        context.fireChannelInactive()
    }

    // MARK: What the node is told

    func update(_ change: (inout MemberProfile) -> Void) {
        change(&wanted)
        wanted.process = core.own.profile.process
        wanted.gossipAddress = core.own.profile.gossipAddress
        tellProfile()
    }

    func use(_ ring: GossipKeyRing) { seal.use(ring) }

    /// Succeeds when the others have been told, or had their time to hear it.
    func leave() -> EventLoopFuture<Void>? {
        guard let loop = context?.eventLoop else { return nil }
        if let leaving { return leaving.futureResult }
        let promise = loop.makePromise(of: Void.self)
        leaving = promise
        handle(.leave)
        return promise.futureResult
    }

    private func finishLeaving() { leaving?.succeed() }

    // MARK: Core

    private func now() -> Duration { .nanoseconds((NIODeadline.now() - origin).nanoseconds) }

    private func handle(_ event: SwimCore.Event) {
        guard context != nil else { return }
        var isChanged = false
        for effect in core.handle(event, at: now(), random: &random) {
            switch effect {
            case .send(let bytes, let address): send(bytes, to: address)
            case .changed(let member):
                isChanged = true
                note(member)
            case .conflict(let process):
                metrics.conflict()
                logger.warning(
                    "Another process has this node's id, or had it before this start",
                    metadata: ["member.process": "\(process)"])
            case .hasLeft: finishLeaving()
            }
        }
        if !isReading { context?.flush() }
        publish(isChanged)
        schedule()
    }

    private func note(_ member: Member) {
        let before = membership.others.updateValue(member, forKey: member.nodeID)
        if before?.status != member.status {
            logger.info(
                "A member is \(member.status)",
                metadata: ["member.id": "\(member.nodeID)", "member.incarnation": "\(member.incarnation)"])
        }
        for _ in 0..<shared.tell(member) { metrics.missedChange() }
    }

    private func publish(_ isChanged: Bool) {
        if let time = core.lastRoundTrip { metrics.probed(time) }
        if core.counters != told {
            for _ in told.malformed..<core.counters.malformed { count { metrics.dropped(.malformed, &$0) } }
            metrics.core(from: told, to: core.counters)
            told = core.counters
        }
        // Tombstones end without a word.
        let isPruned = membership.others.count != core.count
        guard isChanged || isPruned || core.own != membership.own || core.health != membership.health else { return }
        if isPruned {
            membership.others = Dictionary(uniqueKeysWithValues: core.members.map { ($0.nodeID, $0) })
        }
        membership.own = core.own
        membership.health = core.health
        metrics.membership(membership)
        shared.publish(membership)
    }

    /// An earlier wake that is set already does no harm: a tick at any time is allowed.
    private func schedule() {
        guard let context else { return }
        let due = origin + .nanoseconds(Int64(clamping: Int128(core.wake / .nanoseconds(1))))
        let at = max(due, .now() + .milliseconds(1))
        if let wake, wake.at <= at { return }
        wake?.task.cancel()
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: at) { [weak self] in
            self?.wake = nil
            self?.handle(.tick)
        }
        wake = (at, task)
    }

    private func tellProfile() {
        guard let context, wanted != core.own.profile, !core.isLeaving else { return }
        let now = NIODeadline.now()
        guard wanted.phase != core.own.profile.phase || now >= nextProfileAt else {
            guard profileTask == nil else { return }
            profileTask = context.eventLoop.assumeIsolated().scheduleTask(deadline: nextProfileAt) { [weak self] in
                self?.profileTask = nil
                self?.tellProfile()
            }
            return
        }
        let pause = max(
            settings.profileInterval, GossipSettings.profileIntervalPerMember * (membership.others.count + 1))
        nextProfileAt = now + .nanoseconds(Int64(clamping: Int128(pause / .nanoseconds(1))))
        handle(.profile(wanted))
    }

    // MARK: Sending

    private func send(_ plain: [UInt8], to address: String) {
        switch resolver.find(address, at: .now()) {
        case .known(let target):
            if isSpelledDifferently(address, target) { return }
            write(plain, to: target)
        case .pending where held.count < Self.heldMax: held.append((plain, address))
        case .pending, .none: count { metrics.dropped(.unresolved, &$0) }
        }
    }

    /// The core knows addresses by their text. A seed's name that means a member it talks to, or this node, needs no call.
    private func isSpelledDifferently(_ address: String, _ target: SocketAddress) -> Bool {
        guard settings.seeds.contains(address) else { return false }
        let live = [core.own] + membership.others.values.filter { !$0.status.isGone }
        return live.contains { member in
            guard member.profile.gossipAddress != address else { return false }
            if case .known(target) = resolver.find(member.profile.gossipAddress, at: .now()) { return true }
            return false
        }
    }

    private func release(_ address: String) {
        let released = held.filter { $0.address == address }
        held.removeAll { $0.address == address }
        for datagram in released { send(datagram.bytes, to: address) }
        context?.flush()
    }

    private func write(_ plain: [UInt8], to target: SocketAddress) {
        guard let context, context.channel.isWritable else {
            return count { metrics.dropped(.socketFull, &$0) }
        }
        let sealed: [UInt8]
        do throws(TidegateError) { sealed = try seal.seal(plain, at: wallClock.milliseconds()) } catch {
            logger.error("Gossip cannot be sealed", metadata: ["error": "\(error)"])
            return count { metrics.dropped(.sendFailed, &$0) }
        }
        let envelope = AddressedEnvelope(
            remoteAddress: target, data: context.channel.allocator.buffer(bytes: sealed))
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] result in
            guard let self else { return }
            switch result {
            case .success: count { self.metrics.sent(sealed.count, &$0) }
            case .failure: count { self.metrics.dropped(.sendFailed, &$0) }
            }
        }
        context.write(wrapOutboundOut(envelope), promise: written)
    }

    private func count(_ change: (inout GossipCounts) -> Void) { shared.count(change) }
}
