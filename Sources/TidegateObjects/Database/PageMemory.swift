internal import TidegateCore

/// Remembers where numbered pages ended, so that page N + 1 continues there and costs no more than the first. Forgets the
/// list used longest ago, all lists when rows go away, and a boundary when it is old: another reader starts afresh then.
struct PageMemory {
    private struct List: Hashable {
        var fingerprint: [UInt8]
        var perPage: Int

        init(_ query: LogQuery) {
            fingerprint = query.fingerprint
            perPage = query.perPage
        }
    }
    private struct Known {
        var boundary: PageBoundary
        var notedAt: Duration
        var order: UInt64
    }
    private struct Page: Hashable {
        var list: List
        var page: Int
    }

    static let boundariesMax = 128
    static let age = Duration.seconds(300)

    private var known: [Page: Known] = [:]
    private var order: UInt64 = 0

    /// The end of the page before the one that `query` asks for.
    func boundary(before query: LogQuery, at now: Duration) -> PageBoundary? {
        guard let found = known[Page(list: List(query), page: query.page - 1)], now - found.notedAt < Self.age else {
            return nil
        }
        return found.boundary
    }

    mutating func note(_ boundary: PageBoundary, endOf query: LogQuery, at now: Duration) {
        order += 1
        known[Page(list: List(query), page: query.page)] = Known(boundary: boundary, notedAt: now, order: order)
        if known.count > Self.boundariesMax, let oldest = known.min(by: { $0.value.order < $1.value.order })?.key {
            known[oldest] = nil
        }
    }

    mutating func forgetAll() { known = [:] }
}
