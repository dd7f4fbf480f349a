internal import TidegateCore

/// A batch on its way to an owner.
struct SimulatedBatch {
    var stream: StreamID
    var gateway: GatewayUID
    var first: UInt64
    var ids: [RecordID]
}

/// The edge of a node: `OutboxCore` over the simulated disk, and `DrainCore` over the simulated network.
final class EdgeShell {
    let node: SimulatedNode
    unowned let world: World
    var outbox = OutboxCore(stream: StreamID(bits: 0), limits: EdgeShell.limits)
    private var drain: DrainCore
    var number: UInt64 = 0
    private var isSyncing = false
    private var isDirty = false
    private var isCursorDirty = false
    private var requests = 0
    private var open: Set<Int> = []
    private var pendingMint = false
    private var openCalls = 0
    private var wakeAt: Duration?
    private static let framesMax = 12
    static let limits = OutboxCore.Limits(bytesMax: 1 << 30, recordsMax: 10_000, memoryBytesMax: 64)

    init(_ node: SimulatedNode) {
        self.node = node
        world = node.world
        drain = DrainCore(settings: node.world.settings.drain)
    }

    func start() {
        recover()
        kick()
        poll()
    }

    var isEmpty: Bool { outbox.statistics.pending == 0 && openCalls == 0 }

    var state: String {
        "\(outbox.statistics.pending) rows, \(openCalls) calls, \(open.count) requests, syncing \(isSyncing), "
            + "waiting \(outbox.gatewaysWithRecords().map(world.short)), wake \(wakeAt.map { "\($0)" } ?? "none")"
    }

    // MARK: - Capturing

    /// Takes a call for `uid`: intent, then the completion after `duration`, unless it never comes.
    func capture(_ uid: GatewayUID, duration: Int, writesIntent: Bool, isAbandoned: Bool) -> RecordID? {
        let id = world.mintRow(uid)
        guard let ticket = outbox.admit(id, gateway: uid) else { return nil }
        openCalls += 1
        if writesIntent { writeIntent(ticket) }
        world.after(duration, of: node) { [self] in
            openCalls -= 1
            if isAbandoned { return abandon(ticket) }
            complete(ticket)
        }
        return id
    }

    private func writeIntent(_ ticket: CaptureTicket) {
        let body = Self.payload(ticket.id)
        let frame = Self.frame(.intent, ticket)
        append(frame, body)
        outbox.wroteIntent(ticket, announced: body, segment: number, bytes: frame.bytes)
    }

    private func abandon(_ ticket: CaptureTicket) {
        guard outbox.hasIntent(ticket) else { return outbox.abandoned(ticket) }
        append(Self.frame(.abandoned, ticket), [])
        outbox.abandoned(ticket, segment: number, bytes: OutboxFrame.headBytes)
    }

    func complete(_ ticket: CaptureTicket) {
        var frame = Self.frame(.completion, ticket)
        frame.sequence = outbox.nextSequence(of: ticket.gateway)
        let body = Self.payload(ticket.id)
        let offset = append(frame, body)
        outbox.completed(ticket, segment: number, offset: offset, bytes: frame.bytes, payload: body)
        world.captured[ticket.id] = (node: node.index, uid: ticket.gateway)
        world.note(
            "edge \(node.index) captured \(ticket.id.bits) as \(frame.sequence) of \(world.short(ticket.gateway))")
        if world.mutant == .deliverunsynced {
            outbox.synced(outbox.takeUnsynced())
            kick()
        }
    }

    @discardableResult
    private func append(_ frame: OutboxFrame, _ body: [UInt8]) -> UInt32 {
        if (node.disk.files.last?.frames.count ?? 0) >= Self.framesMax { startFile() }
        sync()
        return node.disk.append(frame, body)
    }

    func startFile() {
        number += 1
        node.disk.open(number, outbox.counters)
        outbox.opened(number, bytes: OutboxFrame.headBytes)
    }

    static func frame(_ kind: OutboxFrame.Kind, _ ticket: CaptureTicket) -> OutboxFrame {
        var frame = OutboxFrame(kind)
        frame.intent = ticket.intent
        frame.gateway = ticket.gateway
        frame.id = ticket.id
        frame.bodyBytes = 8
        return frame
    }

    static func payload(_ id: RecordID) -> [UInt8] {
        withUnsafeBytes(of: UInt64(truncatingIfNeeded: id.bits).littleEndian) { Array($0) }
    }

    // MARK: - Syncing and tidying

    private func sync() {
        isDirty = true
        guard !isSyncing else { return }
        isSyncing = true
        world.after(10_000, of: node) { [self] in
            isDirty = false
            let files = node.disk.files.map { (number: $0.number, frames: $0.frames.count) }
            let marks = outbox.takeUnsynced()
            let deletable = outbox.deletable(except: number)
            let counters = !deletable.isEmpty || isCursorDirty ? outbox.counters : nil
            isCursorDirty = false
            let takes =
                world.happens(world.faults.syncSlow) ? world.between(50_000, 3_000_000) : world.between(500, 8_000)
            let fails = world.happens(world.faults.syncFails)
            world.after(takes, of: node) { [self] in
                isSyncing = false
                if fails {
                    outbox.notSynced(marks)
                    isCursorDirty = isCursorDirty || counters != nil
                    startFile()
                    return sync()
                }
                node.disk.sync(files)
                outbox.synced(marks)
                kick()
                if isDirty { sync() }
                tidy(deletable, counters)
            }
        }
    }

    /// The cursor first: what a deleted file held must be known as acknowledged.
    private func tidy(_ deletable: [UInt64], _ counters: OutboxCounters?) {
        guard let counters else { return }
        if node.diesHere() { return }
        node.disk.replaceCursor(counters)
        for number in deletable {
            if node.diesHere() { return }
            node.disk.remove(number)
            outbox.forget(number)
        }
    }

    private func poll() {
        world.after(1_000_000, of: node) { [self] in
            if outbox.hasRecords { kick() }
            if isCursorDirty { sync() }
            poll()
        }
    }

    // MARK: - Draining

    private func kick() { step(.recordsWaiting(outbox.gatewaysWithRecords())) }

    private func step(_ event: DrainCore.Event) {
        var events = [event]
        while let event = events.popLast() {
            for effect in drain.handle(event, at: node.local) {
                switch effect {
                case .read(let gateway, let sequence, let bytesMax):
                    events.append(send(gateway, from: sequence, bytesMax: bytesMax))
                case .acknowledge(let gateway, let sequence):
                    acknowledged(gateway, through: sequence)
                    outbox.acknowledge(gateway, through: sequence)
                    isCursorDirty = true
                case .mintNewStream: mint()
                case .wake(let pause): schedule(node.local + pause)
                }
            }
        }
    }

    private func schedule(_ due: Duration) {
        if let wakeAt, wakeAt <= due { return }
        wakeAt = due
        node.after(due - node.local) { [self] in
            wakeAt = nil
            step(.tick)
        }
    }

    /// A number stands for all before it: each of their rows has to be in the log, or refused there.
    private func acknowledged(_ gateway: GatewayUID, through sequence: UInt64) {
        guard let lane = outbox.counters.lanes.first(where: { $0.gateway == gateway }) else { return }
        for file in node.disk.files {
            for (frame, _) in file.frames where frame.kind == .completion && frame.gateway == gateway {
                guard frame.sequence > lane.acknowledged, frame.sequence <= sequence + lane.base else { continue }
                world.oracle.settled(frame.id, gateway, outbox.stream, frame.sequence - lane.base)
            }
        }
    }

    private func mint() {
        world.oracle.forked(node.index)
        outbox.mint(StreamID(random: &world.random))
        startFile()
        sync()
    }

    private func send(_ gateway: GatewayUID, from sequence: UInt64?, bytesMax: Int) -> DrainCore.Event {
        let records = world.settings.drain.batchRecordsMax
        guard let plan = outbox.plan(gateway, from: sequence, recordsMax: records, bytesMax: bytesMax) else {
            return .nothingToSend(gateway)
        }
        let batch = SimulatedBatch(stream: plan.stream, gateway: gateway, first: plan.first, ids: ids(plan, gateway))
        requests += 1
        let request = requests
        open.insert(request)
        let bytes = batch.ids.count * 8
        let answer: ([RecordVerdict]) -> Void = { [self] verdicts in
            guard open.remove(request) != nil else { return }
            world.note(
                "edge \(node.index) told of \(batch.first)+\(batch.ids.count) of \(world.short(gateway)): \(verdicts)")
            accept(batch, verdicts)
            step(.verdicts(gateway, firstSequence: batch.first, bytes: bytes, verdicts))
        }
        let none = batch.ids.map { _ in RecordVerdict.moved }
        deliver(batch, answer, otherwise: none)
        // Silence is no verdict: the transport gives up and the rows are sent again.
        world.after(3_000_000, of: node) { answer(none) }
        return .sent(gateway, firstSequence: batch.first, count: batch.ids.count, bytes: bytes)
    }

    private func deliver(
        _ batch: SimulatedBatch, _ answer: @escaping ([RecordVerdict]) -> Void, otherwise none: [RecordVerdict]
    ) {
        let slot = world.slot(of: batch.gateway)
        guard let target = node.view.node(of: slot) else { return world.after(20_000, of: node) { answer(none) } }
        let (life, from) = (node.life, node.index)
        world.network.send(from: from, to: target) { [world] in
            let owner = world.nodes[target]
            let reply: ([RecordVerdict]) -> Void = { verdicts in
                world.network.send(from: target, to: from) {
                    if world.nodes[from].life == life { answer(verdicts) }
                }
            }
            guard let host = owner.hosts[slot] else {
                world.cover(.movedBatch)
                return reply(none)
            }
            host.receive(batch, reply)
        }
    }

    private func ids(_ plan: OutboxCore.Plan, _ gateway: GatewayUID) -> [RecordID] {
        switch plan.source {
        case .memory(let payloads): return payloads.map(Self.id)
        case .files(let positions):
            return positions.map { node.disk.body($0.segment, $0.offset).map(Self.id) ?? lost(plan, gateway, 0) }
        case .lost(let count): return (0..<min(count, 4)).map { lost(plan, gateway, UInt64($0)) }
        }
    }

    private static func id(_ payload: [UInt8]) -> RecordID {
        RecordID(bits: UInt128(payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }))
    }

    /// What stands for a record that a damaged file has lost: the same each time.
    private func lost(_ plan: OutboxCore.Plan, _ gateway: GatewayUID, _ index: UInt64) -> RecordID {
        let id = RecordID(bits: UInt128(mix(mix(plan.stream.bits), mix(gateway.bits), plan.stored + index)) << 64)
        world.rowGateway[id] = gateway
        return id
    }

    private func accept(_ batch: SimulatedBatch, _ verdicts: [RecordVerdict]) {
        for (index, verdict) in verdicts.enumerated() {
            switch verdict {
            case .committed, .duplicate, .permanent, .gone:
                world.oracle.acknowledged(
                    batch.ids[index], batch.gateway, batch.stream, batch.first + UInt64(index), verdict)
            case .later, .expected, .moved, .fork: return
            }
        }
    }
}
