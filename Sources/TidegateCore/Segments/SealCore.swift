/// What a gateway's database says about its hot and sealed rows.
package struct SealingState: Equatable, Sendable {
    package struct Segment: Equatable, Sendable {
        package var key: String
        package var rows: Int64
        package var live: Int64
        /// The newest deletion or edit of one of its rows that is not in it.
        package var change: UInt64?
        package var bytes: Int64

        package init(key: String, rows: Int64, live: Int64, change: UInt64? = nil, bytes: Int64 = 0) {
            (self.key, self.rows, self.live, self.change, self.bytes) = (key, rows, live, change, bytes)
        }
    }

    package var hotRows: Int64 = 0
    package var hotBytes: Int64 = 0
    /// Oldest first.
    package var segments: [Segment] = []
    package init() {}
}

package struct SealSettings: Equatable, Sendable {
    /// Rows of one segment.
    package var segmentRows: Int64 = 50_000
    /// Rows that stay hot behind a seal: the newest page of a list never needs a segment.
    package var hotRowsKept: Int64 = 25_000
    /// A seal is due beyond it, however few the rows.
    package var hotBytesMax: Int64 = 96 << 20
    /// Fewer rows are not worth a segment: then other tables have grown.
    package var hotRowsMin: Int64 = 200
    /// Of rows and bodies as they lie in one merged segment.
    package var segmentBytesMax: Int64 = 64 << 20
    /// Share of deleted rows from which a segment is rewritten.
    package var deletedShareMax = 0.2
    /// What is deleted must leave the stores within a day (A37): rewriting begins after half of it.
    package var changeAgeMax: Duration = .seconds(12 * 3_600)
    /// Neighbours merged at a time.
    package var mergedMax = 8
    package init() {}
}

/// Decides when a gateway's rows are sealed and its segments rewritten: one at a time, since each changes what the next would
/// start from. How old a change is it knows only since it watches: after a take-over the clock starts anew, so that twice
/// `changeAgeMax` is the bound.
package struct SealCore: Sendable {
    package enum Work: Equatable, Sendable {
        case seal
        /// Oldest first.
        case compact([String])
    }

    private let settings: SealSettings
    /// When a segment was first seen with changes that are not in it.
    private var changedSince: [String: Duration] = [:]
    private var isWorking = false
    private var notBefore: Duration = .zero
    private var failures = 0

    package init(settings: SealSettings = SealSettings()) { self.settings = settings }

    /// - Returns: what to do now; `finished` must follow.
    package mutating func observe(_ state: SealingState, at now: Duration) -> Work? {
        var since: [String: Duration] = [:]
        for segment in state.segments where segment.change != nil {
            since[segment.key] = changedSince[segment.key] ?? now
        }
        changedSince = since
        guard !isWorking, now >= notBefore, let work = due(state, at: now) else { return nil }
        isWorking = true
        return work
    }

    /// After a failure the next try waits: a second, then twice as long each time, up to five minutes.
    package mutating func finished(succeeded: Bool, at now: Duration) {
        isWorking = false
        failures = succeeded ? 0 : min(failures + 1, 9)
        notBefore = succeeded ? .zero : now + min(.seconds(1 << (failures - 1)), .seconds(300))
    }

    private func due(_ state: SealingState, at now: Duration) -> Work? {
        // First, or a gateway whose rows come as fast as they are sealed would keep what is deleted for ever (A37). Not after
        // a failure: a segment that cannot be rewritten must not keep rows from being sealed.
        if failures == 0, let old = state.segments.first(where: { age(of: $0, at: now) >= settings.changeAgeMax }) {
            return .compact([old.key])
        }
        if state.hotRows >= settings.segmentRows + settings.hotRowsKept { return .seal }
        if state.hotBytes >= settings.hotBytesMax, state.hotRows >= settings.hotRowsMin { return .seal }
        return stale(state, at: now) ?? small(state)
    }

    private func age(of segment: SealingState.Segment, at now: Duration) -> Duration {
        changedSince[segment.key].map { now - $0 } ?? .zero
    }

    /// Much is deleted, or something has been for long.
    private func stale(_ state: SealingState, at now: Duration) -> Work? {
        state.segments.first { segment in
            Double(segment.rows - segment.live) > Double(segment.rows) * settings.deletedShareMax
                || age(of: segment, at: now) >= settings.changeAgeMax
        }.map { .compact([$0.key]) }
    }

    /// Neighbours that fit into one segment with room to spare. Merging begins only when three do: each row is then rewritten
    /// a few times in its life, not with every seal.
    private func small(_ state: SealingState) -> Work? {
        var run: [SealingState.Segment] = []
        for segment in state.segments {
            let (rows, bytes) = (run.reduce(segment.live) { $0 + $1.live }, run.reduce(segment.bytes) { $0 + $1.bytes })
            let fits = rows <= settings.segmentRows && bytes <= settings.segmentBytesMax
            if fits, run.count < settings.mergedMax {
                run.append(segment)
            } else {
                if run.count >= 3 { break }
                run = [segment]
            }
        }
        return run.count >= 3 ? .compact(run.map(\.key)) : nil
    }
}
