package import Logging
internal import Metrics
internal import ServiceLifecycle
package import TidegateCore

/// Claims slots that nobody serves, lets go of those that somebody else should: the shell of `OwnershipCore`, `VoteCore` and
/// `MoveCore`.
package actor SlotSteward: Service {
    package struct Settings: Sendable {
        package var ownership = OwnershipCore.Settings()
        package var votes = VoteCore.Settings()
        package var moves = MoveCore.Settings()
        package var probeLimit = Duration.milliseconds(700)
        /// Seconds that a vote lives (protocol §12).
        package var voteSeconds = 10
        /// Slots given up at a time when the node leaves (protocol §10).
        package var releasesAtOnce = 4
        package init() {}
    }

    private enum Input: Sendable {
        case core(OwnershipCore.Event)
        case look
    }

    private let keeper: any SlotKeeper
    private let replica: OwnershipReplica
    private let store: any CoordinationStore
    private let keys: CoordinationKeys
    private let nodeID: String
    private let region: String
    private let transport: any PeerTransport
    private let members: any MemberList
    private let settings: Settings
    private let logger: Logger
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private var core: OwnershipCore
    private var votes: VoteCore
    private var moves: MoveCore
    private var isMoving = false
    private var isLeaving = false
    private let inputs: AsyncStream<Input>
    private let input: AsyncStream<Input>.Continuation
    private let claims = Counter(label: "tidegate_slot_claims_total")
    private let robberies = Counter(label: "tidegate_slots_robbed_total")
    private let moved = Counter(label: "tidegate_slots_handed_off_total")
    private let owned = Gauge(label: "tidegate_slots_owned")

    /// - Parameter regions: those that the cluster's document names.
    package init(
        incarnation: IncarnationID, nodeID: String, region: String, regions: [String], slotsPerRegion: Int,
        keeper: any SlotKeeper, replica: OwnershipReplica, store: any CoordinationStore, keys: CoordinationKeys,
        transport: any PeerTransport, members: any MemberList, settings: Settings = Settings(), logger: Logger
    ) {
        self.keeper = keeper
        self.replica = replica
        self.store = store
        self.keys = keys
        self.nodeID = nodeID
        self.region = region
        self.transport = transport
        self.members = members
        self.settings = settings
        self.logger = logger
        core = OwnershipCore(
            incarnation: incarnation, nodeID: nodeID, regions: regions, slotsPerRegion: slotsPerRegion,
            settings: settings.ownership)
        votes = VoteCore(settings: settings.votes)
        moves = MoveCore(nodeID: nodeID, settings: settings.moves, at: .zero)
        (inputs, input) = AsyncStream.makeStream()
    }

    private var now: Duration { origin.duration(to: clock.now) }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
        // `leave` gives the slots up; a service that ends stops the node.
        try? await gracefulShutdown()
    }

    private func work() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [replica, input] in
                for await _ in replica.changes() { input.yield(.look) }
            }
            group.addTask { [keeper, input] in
                for await _ in keeper.endings { input.yield(.look) }
            }
            group.addTask { [input] in
                while (try? await Task.sleep(for: .seconds(1))) != nil { input.yield(.look) }
            }
            for await next in inputs {
                if Task.isCancelled { break }
                switch next {
                case .core(let event): step(event, &group)
                case .look:
                    step(.served(Set(keeper.servedSlots)), &group)
                    step(.view(replica.view), &group)
                    step(.dead(members.deadIncarnations), &group)
                    castVotes(&group)
                    offerMove(&group)
                    owned.record(keeper.servedSlots.count)
                }
            }
            group.cancelAll()
        }
    }

    private func step(_ event: OwnershipCore.Event, _ group: inout DiscardingTaskGroup) {
        for effect in core.handle(event, at: now) {
            switch effect {
            case .claim(let slot):
                let seen = core.epoch(of: slot)
                group.addTask { await self.claim(slot, seen: seen) }
            case .probe(let incarnation): group.addTask { await self.probe(incarnation) }
            case .robbed(let slot):
                robberies.increment()
                logger.warning("Another node owns the slot now", metadata: ["slot": "\(slot)"])
                keeper.abandon(slot)
            case .wake(let time):
                let delay = max(.zero, time - now)
                group.addTask { [input] in
                    guard (try? await Task.sleep(for: delay)) != nil else { return }
                    input.yield(.core(.tick))
                }
            }
        }
    }

    private func claim(_ slot: SlotID, seen: Epoch) async {
        do throws(TidegateError) {
            try await keeper.claim(slot, seen: seen)
            claims.increment()
            input.yield(.core(.claimed(slot)))
        } catch {
            let level: Logger.Level = error.code == .notOwner ? .info : .warning
            logger.log(
                level: level, "Slot not claimed, trying again",
                metadata: ["slot": "\(slot)", "error": "\(error)"])
            input.yield(.core(.claimFailed(slot)))
        }
    }

    private func probe(_ incarnation: String) async {
        let peer = replica.view.incarnations[incarnation]?.peer
        var answers = false
        if let peer { answers = (try? await transport.ask(.probe, at: peer, within: settings.probeLimit)) != nil }
        input.yield(.core(.probed(incarnation: incarnation, answers: answers)))
    }

    // MARK: - Votes

    private func castVotes(_ group: inout DiscardingTaskGroup) {
        let view = replica.view
        let against = votes.handle(
            dead: members.deadIncarnations, nodes: view.incarnations.count, view: view, at: now)
        for incarnation in against {
            logger.warning("Votes against a node that gossip calls dead", metadata: ["incarnation": "\(incarnation)"])
            group.addTask { await self.vote(against: incarnation) }
        }
    }

    private func vote(against incarnation: String) async {
        guard let id = IncarnationID(hex: incarnation) else { return }
        do throws(TidegateError) {
            let lease = try await store.grantLease(seconds: settings.voteSeconds)
            _ = try await store.commit(
                CoordinationTransaction(
                    then: [.put(key: keys.vote(against: id, by: nodeID), value: Array("dead".utf8), lease: lease)]))
        } catch {
            logger.info("The vote could not be cast; the lease decides", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Moves

    private func offerMove(_ group: inout DiscardingTaskGroup) {
        let view = replica.view
        let dead = members.deadIncarnations
        let nodes = view.incarnations.filter { $0.value.state == .active && !dead.contains($0.key) }
            .map { HashRing.Node(nodeID: $0.value.node, region: $0.value.region) }
        var owners: [SlotID: String] = [:]
        for (slot, owner) in view.owners where slot.region == region && owner.state == .owned {
            if let node = owner.inc.flatMap({ view.incarnations[$0]?.node }) { owners[slot] = node }
        }
        guard !isMoving, !isLeaving, let offer = moves.handle(members: nodes, owners: owners, at: now),
            keeper.servedSlots.contains(offer.slot)
        else { return }
        isMoving = true
        logger.notice("Hands a slot off", metadata: ["slot": "\(offer.slot)", "to": "\(offer.to)"])
        group.addTask { await self.move(offer) }
    }

    private func move(_ offer: MoveCore.Offer) async {
        await keeper.release(offer.slot, to: offer.to)
        moved.increment()
        isMoving = false
    }

    // MARK: - Start and end

    /// Whether every slot is served by somebody, as far as this node can tell.
    package var isSettled: Bool { core.unowned.isEmpty }

    /// Gives every slot up, a few at a time. Claims nothing from now on.
    package func leave() async {
        isLeaving = true
        _ = core.handle(.drain, at: now)
        await withTaskGroup(of: Void.self) { group in
            for (index, slot) in keeper.servedSlots.enumerated() {
                if index >= settings.releasesAtOnce { await group.next() }
                group.addTask { [keeper] in await keeper.release(slot, to: nil) }
            }
        }
    }
}
