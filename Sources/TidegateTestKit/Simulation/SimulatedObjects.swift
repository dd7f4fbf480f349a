internal import TidegateCore

/// An object as the simulator stores it: what matters of its bytes.
final class Blob {
    enum Content {
        case log(LogBlock)
        case manifest(SlotManifest)
        case database(GatewayImage)
        case segment([SegmentRow])
        /// A segment's bodies, whatever they say.
        case pack
    }
    let content: Content
    let crc: UInt32

    init(_ content: Content, crc: UInt32) {
        self.content = content
        self.crc = crc
    }
}

/// An object store that is slow, refuses, hides what it did, and does some things twice, the second time much later.
final class SimulatedObjects {
    enum PutAnswer { case stored, failed }
    enum GetAnswer {
        case found(Blob)
        case absent
        case failed
    }

    private unowned let world: World
    private(set) var blobs: [String: Blob] = [:]
    /// Content that each key ever had (I4).
    private var written: [String: UInt32] = [:]
    private var deletedKeys: Set<String> = []
    private var lateKeys: Set<String> = []
    private var times: [String: Int] = [:]

    init(_ world: World) { self.world = world }

    func put(_ blob: Blob, at key: String, from node: SimulatedNode, then answer: @escaping (PutAnswer) -> Void) {
        let faults = world.faults
        if world.happens(faults.putRefused) {
            return world.after(latency(), of: node) { answer(.failed) }
        }
        let isHidden = world.happens(faults.putHidden)
        if isHidden { world.cover(.hiddenPut) }
        if world.happens(faults.putDoubled) {
            // A request that was stuck somewhere arrives again.
            world.after(world.between(1_000_000, 60_000_000)) { [self] in store(blob, key) }
        }
        if isHidden, world.roll(2) == 0 {
            // The client gave up before the store was done.
            lateKeys.insert(key)
            world.after(world.between(1_000_000, 30_000_000)) { [self] in store(blob, key) }
            return world.after(1_000_000, of: node) { answer(.failed) }
        }
        world.after(latency()) { [self] in
            store(blob, key)
            world.after(isHidden ? 1_000_000 : 500, of: node) { answer(isHidden ? .failed : .stored) }
        }
    }

    func get(_ key: String, from node: SimulatedNode, then answer: @escaping (GetAnswer) -> Void) {
        let fails = world.happens(world.faults.getRefused)
        world.after(latency(), of: node) { [self] in
            answer(fails ? .failed : blobs[key].map { .found($0) } ?? .absent)
        }
    }

    func list(_ prefix: String, from node: SimulatedNode, then answer: @escaping ([String]?) -> Void) {
        let fails = world.happens(world.faults.getRefused)
        world.after(latency(), of: node) { [self] in
            answer(fails ? nil : blobs.keys.filter { $0.hasPrefix(prefix) }.sorted())
        }
    }

    func delete(_ keys: [String], from node: SimulatedNode, then answer: @escaping (Bool) -> Void) {
        let fails = world.happens(world.faults.putRefused)
        world.after(latency()) { [self] in
            // A refusal half-way is a refusal: what is gone by then is gone.
            for key in fails ? Array(keys.prefix(keys.count / 2)) : keys where blobs[key] != nil {
                world.note("node \(node.index) deletes \(key)")
                blobs[key] = nil
                deletedKeys.insert(key)
                world.oracle.deleted(key)
            }
            world.after(500, of: node) { answer(!fails) }
        }
    }

    /// Whether the key was put again by a request that had been stuck, or by somebody who did not know better.
    func isLate(_ key: String, since time: Int) -> Bool {
        lateKeys.contains(key) || times[key] ?? 0 >= time
    }

    func age(of key: String) -> Int { world.now - (times[key] ?? world.now) }

    /// Loses an object, as a broken disk would.
    func lose(_ key: String) { blobs[key] = nil }

    private func store(_ blob: Blob, _ key: String) {
        if let old = written[key], old != blob.crc { world.violate("I4", "\(key) is written with another content") }
        if deletedKeys.contains(key) {
            world.cover(.latePut)
            lateKeys.insert(key)
        }
        written[key] = blob.crc
        blobs[key] = blob
        if times[key] == nil { times[key] = world.now }
    }

    private func latency() -> Int {
        world.happens(world.faults.storeSlow) ? world.between(200_000, 8_000_000) : world.between(2_000, 40_000)
    }
}
