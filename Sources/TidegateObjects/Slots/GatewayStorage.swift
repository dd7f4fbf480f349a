package import TidegateCore

/// One gateway's database as its slot sees it: it changes only by `apply`, in log order, so that replaying the log
/// anywhere gives the same content (I9).
package protocol GatewayStorage: Sendable {
    /// What the database knows about itself.
    func state() async throws(TidegateError) -> GatewayState

    /// Applies the entries of one log object in order, in one transaction. Total: what cannot be decoded goes to
    /// quarantine and counts as applied. Does nothing for `n <= appliedN`.
    /// - Returns: live rows afterwards.
    func apply(n: LogIndex, epoch: Epoch, _ entries: [CommittedEntry]) async throws(TidegateError) -> Int64

    func logs(_ query: LogQuery) async throws(TidegateError) -> LogPage
    /// Without a position.
    func analytics(_ query: AnalyticsQuery) async throws(TidegateError) -> AnalyticsAnswer
    func log(_ id: RecordID) async throws(TidegateError) -> LogRow?
    func body(_ part: BodyPart, of id: RecordID) async throws(TidegateError) -> StoredBody?
    func contains(_ id: RecordID) async throws(TidegateError) -> Bool

    /// LSNs of the first `limit` rows that match, in the query's order.
    func matching(_ query: LogQuery, limit: Int) async throws(TidegateError) -> [UInt64]

    /// LSN of the row with this id; `nil` when there is none.
    func place(of id: RecordID) async throws(TidegateError) -> UInt64?

    /// Up to where to evict for `count` rows to go, at least: sealed rows go a segment at a time. `nil` when there are none.
    func oldest(_ count: Int) async throws(TidegateError) -> UInt64?

    /// Holds the present content for a copy, whatever is applied meanwhile. Call it between two applies.
    ///
    /// - Parameter asCopy: copies the file now, which takes as long as it takes, and holds nothing open; else a connection
    ///   holds the content.
    ///
    /// Throws untyped, as `PinnedContent.store` does.
    func pin(asCopy: Bool) async throws -> any PinnedContent

    /// Keys of objects that entries up to and including `n` made garbage, and that no entry has noted as collected.
    func garbage(through n: LogIndex) async throws(TidegateError) -> [String]

    /// Those of the keys that a row names, hot or sealed, or that wait as garbage for snapshots to pass them.
    func bodies(namedAmong keys: Set<String>) async throws(TidegateError) -> Set<String>

    /// What decides about seals and rewriting.
    func sealingState() async throws(TidegateError) -> SealingReport
    /// Stores the oldest rows, or neighbouring segments, as a segment. Nothing changes until the entry is applied.
    /// - Returns: `nil` when there is nothing to seal. Throws untyped, and takes one word: see `PinnedContent.store`.
    @concurrent func propose(_ request: SegmentRequest) async throws -> SegmentProposal?
    /// Takes some of the rows that a seal made superfluous out of the database's file, in a few milliseconds. Changes
    /// nothing that anybody can ask.
    /// - Returns: whether there are more.
    func tidy() async throws(TidegateError) -> Bool
    /// Keys of all objects of segments that the database knows of, garbage included.
    func segmentObjects() async throws(TidegateError) -> [String]

    /// Rows past their age. Throws untyped: see `PinnedContent.store`.
    /// - Returns: `nil` when there are none.
    @concurrent func agedRows(_ limit: AgeLimit) async throws -> AgedRows?

    func close() async

    /// Closes and deletes the files.
    func destroy() async throws(TidegateError)
}

/// A gateway's content as of one moment, until it is stored or let go.
package protocol PinnedContent: Sendable {
    /// Newest log object in it.
    var appliedN: LogIndex { get }
    /// Puts a copy into the object store. Lets go of the content, whatever comes of it.
    ///
    /// Throws untyped: Swift 6.3.1 returns to nowhere from an async requirement with a typed error and a result like this.
    func store(at key: String) async throws -> SnapshotManifest.Item
    func letGo() async
}

/// A class, because Swift 6.3.1 miscompiles `async throws(TidegateError)` requirements that return a struct of this size
/// (jump to null on return).
package final class SealingReport: Sendable {
    package let state: SealingState
    package init(_ state: SealingState) { self.state = state }
}

package protocol GatewayStorageProvider: Sendable {
    /// Opens a gateway's content: what lies here already, when it is no older than `base`, else `base`.
    /// - Parameter base: the gateway in the snapshot that the slot was recovered from, or in a newer one; `nil` when it is
    ///   in none.
    func open(
        _ gateway: GatewayUID, slot: SlotID, from base: SnapshotManifest.Item?
    ) async throws(TidegateError) -> any GatewayStorage
}

package struct GatewayState: Equatable, Sendable {
    /// Index up to which entries are applied; 0 when empty.
    package var appliedN: LogIndex
    /// Rows that are neither deleted nor evicted.
    package var live: Int64
    package var streams: [StreamID: StreamMark]
    package var isDeleted: Bool

    package init(
        appliedN: LogIndex = 0, live: Int64 = 0, streams: [StreamID: StreamMark] = [:], isDeleted: Bool = false
    ) {
        self.appliedN = appliedN
        self.live = live
        self.streams = streams
        self.isDeleted = isDeleted
    }
}

/// The highest sequence number of a stream in the log, and the record that used it (A5, A11).
package struct StreamMark: Equatable, Sendable {
    package var sequence: UInt64
    package var id: RecordID

    package init(sequence: UInt64, id: RecordID) {
        self.sequence = sequence
        self.id = id
    }
}
