internal import GRDB
internal import TidegateCore

/// Answers a question over the hot database and the segments. Statistics say which segments can match; they are read in the
/// order of what they could still contribute, until none can change the page. What cannot be read within half the time is
/// left out and the answer says so.
struct SegmentedScan: Sendable {
    /// Rows of segments behind which no further segment is searched for one page.
    static let rowsMax: Int64 = 20_000_000
    /// Places that a page far behind the first may skip: a cursor has no such bound.
    static let skippedMax = 200_000

    let scan: LogScan
    let scanner: LogScanner
    let segments: Segments
    let deadline: QueryDeadline

    private var query: LogQuery { scan.query }

    func page() async throws -> LogScan.Answer {
        guard let skipped = scan.skipped else { return try await empty() }
        guard skipped > 0 else { return try await page(scan) }
        guard let start = try await place(number: skipped) else { return try await empty() }
        return try await page(scan.starting(behind: start))
    }

    /// The first places in order.
    func places(limit: Int) async throws -> [PageBoundary] {
        guard limit > 0 else { return [] }
        let hot = try await scanner.hot(scan, places: limit, by: deadline)
        let candidates = candidates(hot.list, scan)
        var merge = merge(candidates, needed: limit, of: PageBoundary.self)
        merge.add(hot.places.map { ($0, $0) })
        while let index = merge.next() {
            let places = try await visit(candidates[index]) { [scan] db, hasTombstones in
                try scan.places(db, limit: limit, in: .segment(hasTombstones: hasTombstones))
            }
            merge.add(places.map { ($0, $0) })
        }
        return merge.found.map(\.item)
    }

    // MARK: - Pages

    private func page(_ scan: LogScan) async throws -> LogScan.Answer {
        let needed = query.perPage + 1
        let hot = try await scanner.hot(scan, rows: needed, by: deadline)
        let candidates = candidates(hot.list, scan)
        var merge = merge(candidates, needed: needed, of: LogRow.self)
        merge.add(hot.rows.map { ($0.boundary, $0.row) })
        var cut: PageBoundary?
        var searched: Int64 = 0
        while let index = merge.next() {
            let segment = candidates[index]
            guard !deadline.isHalfOver, searched < Self.rowsMax else {
                cut = segment.best(query)
                break
            }
            searched += segment.rows
            let rows = try await visit(segment) { [scan, gateway = scanner.gateway] db, hasTombstones in
                try scan.rows(db, limit: needed, gateway: gateway, in: .segment(hasTombstones: hasTombstones))
            }
            merge.add(rows.map { ($0.boundary, $0.row) })
        }
        var answer = assemble(merge, cut: cut)
        try await addTotals(to: &answer.page, hot)
        answer.page.position = LogPosition(slot: scanner.slot, epoch: hot.meta.epoch, n: hot.meta.appliedN)
        return answer
    }

    private func assemble(_ merge: PageMerge<LogRow>, cut: PageBoundary?) -> LogScan.Answer {
        var (items, end) = (merge.found, PageBoundary?.none)
        if let cut { (items, end) = merge.cut(cut) }
        var answer = LogScan.Answer(page: LogPage(rows: items.prefix(query.perPage).map(\.item), totalCount: 0))
        if items.count > query.perPage {
            end = items[query.perPage - 1].boundary
        } else if cut != nil {
            answer.page.isPartial = true
        }
        if let end {
            answer.end = end
            answer.page.nextCursor = PageCursor.text(end, of: query)
        }
        return answer
    }

    private func empty() async throws -> LogScan.Answer {
        let hot = try await scanner.hot(scan, by: deadline)
        var answer = LogScan.Answer(page: LogPage(rows: [], totalCount: 0))
        try await addTotals(to: &answer.page, hot)
        answer.page.position = LogPosition(slot: scanner.slot, epoch: hot.meta.epoch, n: hot.meta.appliedN)
        return answer
    }

    /// - Returns: `nil` when there are not so many rows.
    private func place(number: Int) async throws -> PageBoundary? {
        let hot = try await scanner.hotPlace(scan, skipped: number, by: deadline)
        if hot.list.segments.isEmpty { return hot.places.first }
        guard Int64(number) <= hot.meta.live else { return nil }
        guard number <= Self.skippedMax else {
            throw TidegateError(
                .invalidRequest,
                "A page that begins behind row \(Self.skippedMax) is reached by the cursor of the page before it.")
        }
        let places = try await places(limit: number)
        return places.count == number ? places.last : nil
    }

    // MARK: - Totals

    private func addTotals(to page: inout LogPage, _ hot: HotPart) async throws {
        page.totalCount = hot.meta.live
        guard scan.needsTotals else { return }
        if scan.words != nil { page.unsearchedBodies = hot.unsearched + unsearched(hot.list) }
        var totals = hot.totals
        for segment in hot.list.segments.reversed() {
            if let known = knownTotals(segment) {
                totals.add(known)
                continue
            }
            guard !deadline.isFifthOver else {
                page.isCountExact = false
                continue
            }
            let found = try await visit(segment) { [scan] in try scan.totals($0, in: .segment(hasTombstones: $1)) }
            segments.counts.note(found, countKey(segment))
            totals.add(found)
        }
        // A count of everything needs no counting.
        if scan.matchesEverything { page.totalCount = hot.meta.live } else { page.totalCount = totals.count }
        if query.wantsMetaInfo { page.ranges = totals.shownRanges }
    }

    /// Rows of segments without an index of their bodies that nothing else rules out.
    private func unsearched(_ list: SegmentList) -> Int64 {
        var rest = query
        rest.bodySearch = nil
        return list.segments.reduce(0) { sum, segment in
            let mayMatch = segment.zone.verdict(rest, isEdited: segment.edited > 0) != .none
            return sum + (mayMatch && !segment.zone.hasBodyIndex ? segment.live : 0)
        }
    }

    private func knownTotals(_ segment: SegmentView) -> ScanTotals? {
        switch segment.zone.verdict(query, isEdited: segment.edited > 0) {
        case .none: return ScanTotals()
        case .all where segment.tombstones == 0: return ScanTotals(segment.zone)
        case .all where !query.wantsMetaInfo: return ScanTotals(count: segment.live)
        case .count(let count) where segment.tombstones == 0 && !query.wantsMetaInfo: return ScanTotals(count: count)
        case .all, .count, .some: return segments.counts.totals(countKey(segment))
        }
    }

    private func countKey(_ segment: SegmentView) -> SegmentCounts.Key {
        // Without later words a segment is what it was when it was made, whoever counted it.
        SegmentCounts.Key(
            segment: segment.key, version: segment.hasChanges ? segment.version : 0, question: scan.countKey)
    }

    // MARK: - Sources

    /// Segments in which a row behind the start may match.
    private func candidates(_ list: SegmentList, _ scan: LogScan) -> [SegmentView] {
        list.segments.filter { segment in
            if let start = scan.start, !start.comes(before: segment.worst(query), descending: query.isDescending) {
                return false
            }
            return segment.zone.verdict(query, isEdited: segment.edited > 0) != .none
        }
    }

    private func merge<Item>(_ candidates: [SegmentView], needed: Int, of: Item.Type) -> PageMerge<Item> {
        PageMerge(
            needed: needed, isDescending: query.isDescending,
            sources: candidates.enumerated().map { .init(id: $0.offset, best: $0.element.best(query)) })
    }

    private func visit<Value: Sendable>(
        _ segment: SegmentView, _ body: @escaping @Sendable (Database, Bool) throws -> Value
    ) async throws -> Value {
        try await segments.visit(segment, with: scanner, by: deadline, body)
    }
}

extension Segments {
    /// - Throws: `SegmentGone` when the segment, or its object, is not there any more.
    func visit<Value: Sendable>(
        _ segment: SegmentView, with scanner: LogScanner, by deadline: QueryDeadline,
        _ body: @escaping @Sendable (Database, Bool) throws -> Value
    ) async throws -> Value {
        let lease: SegmentLease
        do throws(TidegateError) {
            lease = try await cache.acquire(segment)
        } catch {
            // Collected since the list was read (A33), or lost: whoever asks again will know.
            guard error.code == .notFound else { throw error }
            throw SegmentGone()
        }
        return try await scanner.visit(segment, lease, by: deadline, body)
    }
}
