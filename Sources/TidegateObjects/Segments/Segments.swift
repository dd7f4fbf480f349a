internal import Foundation
internal import Synchronization
package import TidegateCore

/// What all gateways of a node share about sealed rows: the store, the cache on the disk, counts of past questions, and the
/// threads that make segments.
package final class Segments: Sendable {
    package struct Settings: Equatable, Sendable {
        /// Unpacked segments on the disk.
        package var cacheBytesMax: Int64 = 8 << 30
        package var limits = SegmentLimits()
        /// Segments made at a time, over all gateways.
        package var buildsMax = 2
        package init() {}
    }

    let store: any ObjectStore
    let cache: SegmentCache
    let settings: Settings
    let counts = SegmentCounts()
    /// Where segments are made.
    let workFolder: String
    let threads: DatabaseThreads

    /// - Parameters:
    ///   - folder: `STATE/cache`: everything in it can be made again.
    ///   - bootID: the machine's current start.
    package init(folder: String, bootID: String, store: any ObjectStore, settings: Settings = Settings()) {
        self.store = store
        self.settings = settings
        workFolder = "\(folder)/making"
        threads = DatabaseThreads(label: "tg-segments", count: max(1, settings.buildsMax))
        cache = SegmentCache(
            folder: "\(folder)/segments", bootID: bootID, bytesMax: settings.cacheBytesMax, store: store,
            threads: threads)
        try? FileManager.default.removeItem(atPath: workFolder)  // what a crash left
    }

    /// Bytes of unpacked segments on the disk.
    package var cachedBytes: Int64 { cache.bytes }
}

/// Counts that cannot change any more: of one question, over one segment in one version. Those used longest ago go first,
/// half of them at a time.
final class SegmentCounts: Sendable {
    struct Key: Hashable, Sendable {
        var segment: String
        var version: Int64
        var question: [UInt8]
    }
    private struct State {
        var known: [Key: (totals: ScanTotals, use: UInt64)] = [:]
        var now: UInt64 = 0
    }

    static let max = 20_000
    private let state = Mutex(State())

    func totals(_ key: Key) -> ScanTotals? {
        state.withLock { state in
            guard let found = state.known[key]?.totals else { return nil }
            state.now += 1
            state.known[key]?.use = state.now
            return found
        }
    }

    func note(_ totals: ScanTotals, _ key: Key) {
        state.withLock { state in
            state.now += 1
            state.known[key] = (totals, state.now)
            guard state.known.count > Self.max else { return }
            let middle = state.known.values.map(\.use).sorted()[Self.max / 2]
            state.known = state.known.filter { $0.value.use > middle }
        }
    }
}
