import Logging
import Synchronization
import TidegateCore
import TidegateObjects
import TidegateTestKit

/// A node's objects over stores in memory; stores outlive a node, databases as the test says.
struct SlotFixture {
    let coordination = MemoryCoordinationStore()
    let store = MemoryObjectStore()
    let keys = CoordinationKeys()
    let clock = ManualWallClock()
    private static let uids = Mutex(SeededGenerator(seed: 77))

    static func bits() -> UInt128 {
        uids.withLock { UInt128($0.next()) << 64 | UInt128($0.next()) }
    }

    func objects(
        _ storage: MemoryGatewayStorages, _ change: (inout SlotSettings) -> Void = { _ in }
    ) -> Objects {
        storage.store.withLock { $0 = store }
        return objects(over: storage) { change(&$0.slot) }
    }

    func objects(
        over storage: any GatewayStorageProvider, _ change: (inout ObjectsSettings) -> Void = { _ in }
    ) -> Objects {
        var settings = ObjectsSettings()
        change(&settings)
        settings.slot.idleFlush = .milliseconds(1)
        settings.slot.flushSpacing = .milliseconds(1)
        settings.allowance.spacing = .zero
        return Objects(
            homes: OneRegion("r1", slotCount: 2), incarnation: IncarnationID(bits: Self.bits()),
            coordination: coordination,
            store: store, keys: keys, storage: storage, clock: clock, settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            mintName: { String(Self.bits(), radix: 36) }, entryGuard: NoGuard())
    }

    func accounts(_ objects: Objects) -> AccountManager {
        AccountManager(
            store: coordination, keys: keys, logs: objects, region: "r1", clock: clock,
            mintUID: { GatewayUID(bits: Self.bits()) })
    }
}

extension Objects {
    /// Rows `numbers` of one stream; a row's id is its number.
    func send(_ numbers: ClosedRange<Int>, to gateway: GatewayUID, stream: Int = 1) async -> [RecordVerdict] {
        let records = numbers.map { number in
            LogRecord(id: RecordID(bits: UInt128(number)), gateway: gateway, startedAtMs: 0).encoded()[...]
        }
        return await deliver(
            DeliveryBatch(
                stream: StreamID(bits: UInt128(stream)), gateway: gateway, firstSequence: UInt64(numbers.lowerBound),
                records: records, resolvedBelow: 0))
    }

    func deliver(_ batch: DeliveryBatch) async -> [RecordVerdict] {
        await withCheckedContinuation { continuation in submit(batch) { continuation.resume(returning: $0) } }
    }

    func ids(of gateway: GatewayUID) async throws -> [Int] {
        try await logs(of: gateway, LogQuery()).rows.map { Int($0.record.id.bits) }
    }
}

/// Finds nothing wrong.
struct NoGuard: EntryGuard {
    func poison(in object: [UInt8]) async throws(TidegateError) -> Set<LSN> { [] }
}

/// Waits for something that happens by itself, some time after its cause.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<1_000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return false
}

extension Objects {
    /// Serves every slot of the fixture's region.
    func start() async throws(TidegateError) {
        try await start((0..<2).map { SlotID(region: "r1", index: $0) })
    }
}
