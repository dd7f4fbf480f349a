internal import Foundation
internal import Synchronization
internal import TidegateCore

/// Unpacked segments on the local disk, shared by all gateways of a node: fetched when a question needs them, once however
/// many ask, and the ones used longest ago make room for others. A file that somebody reads stays until they are done.
final class SegmentCache: Sendable {
    private struct Entry {
        var bytes: Int64
        var lastUse: UInt64
        var leases = 0
        var idle: [SegmentReader] = []
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var loading: [String: [CheckedContinuation<Void, Never>]] = [:]
        var bytes: Int64 = 0
        var now: UInt64 = 0
        var serial: UInt64 = 0
        var idleReaders = 0
    }

    /// Connections that are kept open between questions.
    static let idleReadersMax = 96

    private let folder: String
    private let bytesMax: Int64
    private let store: any ObjectStore
    private let threads: DatabaseThreads
    private let state = Mutex(State())

    /// - Parameters:
    ///   - folder: for this start of the machine: files are not synced, so those of another one are removed.
    init(folder: String, bootID: String, bytesMax: Int64, store: any ObjectStore, threads: DatabaseThreads) {
        self.folder = "\(folder)/\(bootID)"
        self.bytesMax = bytesMax
        self.store = store
        self.threads = threads
        adoptFiles(in: folder, except: bootID)
    }

    private func adoptFiles(in parent: String, except bootID: String) {
        let files = FileManager.default
        for name in (try? files.contentsOfDirectory(atPath: parent)) ?? [] where name != bootID {
            try? files.removeItem(atPath: "\(parent)/\(name)")
        }
        try? files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
            let path = "\(folder)/\(name)"
            guard name.hasSuffix(Self.suffix), let size = Self.size(of: path) else {
                try? files.removeItem(atPath: path)
                continue
            }
            state.withLock { state in
                state.entries[String(name.dropLast(Self.suffix.count))] = Entry(bytes: size, lastUse: 0)
                state.bytes += size
            }
        }
    }

    var bytes: Int64 { state.withLock { $0.bytes } }

    /// The segment's file, fetched if it is not here.
    /// - Throws: `.notFound` when the store has it no more, `.corrupt` when it is not what was stored.
    func acquire(_ segment: SegmentView) async throws(TidegateError) -> SegmentLease {
        let name = Self.name(segment.key)
        while true {
            if let lease = lease(name, bytes: segment.fileBytes) { return lease }
            guard beginLoading(name) else {
                await withCheckedContinuation { continuation in
                    let isOver = state.withLock { state in
                        guard state.loading[name] != nil else { return true }
                        state.loading[name]?.append(continuation)
                        return false
                    }
                    if isOver { continuation.resume() }
                }
                continue
            }
            defer { endLoading(name) }
            try await fetch(segment, name)
        }
    }

    /// Takes over a file that was made here: it need not be fetched.
    func adopt(_ path: String, key: String) {
        let name = Self.name(key)
        guard let size = Self.size(of: path), beginLoading(name) else { return }
        defer { endLoading(name) }
        guard (try? FileManager.default.moveItem(atPath: path, toPath: self.path(name))) != nil else { return }
        insert(name, bytes: size)
    }

    private func fetch(_ segment: SegmentView, _ name: String) async throws(TidegateError) {
        let serial = state.withLock { state in
            state.serial += 1
            return state.serial
        }
        let (packed, plain) = ("\(folder)/\(name).\(serial).zst", "\(folder)/\(name).\(serial).new")
        defer { for path in [packed, plain] { try? FileManager.default.removeItem(atPath: path) } }
        try await store.get(segment.key, into: packed)
        do {
            let (size, crc) = (Int(segment.storedBytes), segment.crc)
            try await threads.perform { try ZstandardFile.decompress(packed, into: plain, size: size, crc: crc) }
            guard Self.size(of: plain) == segment.fileBytes else {
                throw TidegateError(.corrupt, "The segment '\(segment.key)' is not what was stored.")
            }
            try FileManager.default.moveItem(atPath: plain, toPath: path(name))
        } catch {
            throw .database(error, "Fetching a segment")
        }
        insert(name, bytes: segment.fileBytes)
    }

    private func lease(_ name: String, bytes: Int64) -> SegmentLease? {
        let isThere = state.withLock { state in
            guard let entry = state.entries[name], entry.bytes == bytes else { return false }
            state.now += 1
            state.entries[name]?.lastUse = state.now
            state.entries[name]?.leases += 1
            return true
        }
        return isThere ? SegmentLease(name: name, path: path(name), cache: self) : nil
    }

    fileprivate func release(_ name: String) {
        state.withLock { $0.entries[name]?.leases -= 1 }
        makeRoom()
    }

    private func insert(_ name: String, bytes: Int64) {
        state.withLock { state in
            if let old = state.entries[name] { state.bytes -= old.bytes }
            state.now += 1
            state.entries[name] = Entry(bytes: bytes, lastUse: state.now)
            state.bytes += bytes
        }
        makeRoom(sparing: name)
    }

    private func makeRoom(sparing spared: String? = nil) {
        while true {
            let victim: (name: String, readers: [SegmentReader])? = state.withLock { state in
                guard state.bytes > bytesMax else { return nil }
                let free = state.entries.filter { $0.value.leases == 0 && $0.key != spared }
                guard let (name, entry) = free.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
                state.entries[name] = nil
                state.bytes -= entry.bytes
                state.idleReaders -= entry.idle.count
                try? FileManager.default.removeItem(atPath: path(name))  // within the lock: a fetch may put it back
                return (name, entry.idle)
            }
            guard let victim else { return }
            for reader in victim.readers { reader.close() }
        }
    }

    private func beginLoading(_ name: String) -> Bool {
        state.withLock { state in
            guard state.loading[name] == nil else { return false }
            state.loading[name] = []
            return true
        }
    }

    private func endLoading(_ name: String) {
        let waiting = state.withLock { $0.loading.removeValue(forKey: name) ?? [] }
        for waiter in waiting { waiter.resume() }
    }

    // MARK: - Connections

    /// A connection for one reader at a time. For database threads only.
    func reader(_ lease: SegmentLease) throws -> SegmentReader {
        let idle = state.withLock { state in
            let reader = state.entries[lease.name]?.idle.popLast()
            if reader != nil { state.idleReaders -= 1 }
            return reader
        }
        return try idle ?? SegmentReader(SegmentFile(path: lease.path).connect())
    }

    func giveBack(_ reader: SegmentReader, _ lease: SegmentLease) {
        let surplus: SegmentReader? = state.withLock { state in
            guard state.entries[lease.name] != nil else { return reader }
            state.entries[lease.name]?.idle.append(reader)
            state.idleReaders += 1
            guard state.idleReaders > Self.idleReadersMax,
                let oldest = state.entries.filter({ !$0.value.idle.isEmpty })
                    .min(by: { $0.value.lastUse < $1.value.lastUse })?.key
            else { return nil }
            state.idleReaders -= 1
            return state.entries[oldest]?.idle.popLast()
        }
        surplus?.close()
    }

    private static let suffix = ".db"
    private func path(_ name: String) -> String { "\(folder)/\(name)\(Self.suffix)" }
    private static func name(_ key: String) -> String { key.replacing("/", with: "_") }
    private static func size(of path: String) -> Int64? {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64).map { Int64(clamping: $0) }
    }
}

/// Keeps a segment's file in the cache while it lives.
final class SegmentLease: Sendable {
    let name: String
    let path: String
    private let cache: SegmentCache

    fileprivate init(name: String, path: String, cache: SegmentCache) {
        (self.name, self.path, self.cache) = (name, path, cache)
    }

    deinit { cache.release(name) }
}
