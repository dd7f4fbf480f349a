package import TidegateCore

/// A set of LSNs as ranges. The rows of a gateway lie side by side in each log object, so that a segment's 50 000 rows take
/// some hundred ranges, a kilobyte: small enough that an entry and the hot database say exactly which rows a segment holds.
package struct LSNRuns: Equatable, Sendable {
    package private(set) var ranges: [Range<UInt64>] = []
    package private(set) var count: UInt64 = 0

    package init() {}

    /// - Parameter lsn: larger than all before it; others are left out.
    package mutating func append(_ lsn: UInt64) {
        guard lsn < .max, ranges.last.map({ $0.upperBound <= lsn }) ?? true else { return }
        count += 1
        if let last = ranges.last, last.upperBound == lsn {
            ranges[ranges.count - 1] = last.lowerBound..<(lsn + 1)
        } else {
            ranges.append(lsn..<(lsn + 1))
        }
    }

    package var first: UInt64? { ranges.first?.lowerBound }
    package var last: UInt64? { ranges.last.map { $0.upperBound - 1 } }

    package func contains(_ lsn: UInt64) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= lsn { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(lsn)
    }

    package var elements: some Sequence<UInt64> { ranges.lazy.flatMap { $0 } }

    /// Number of ranges, then each as its distance from the one before and its length.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: ranges.count * 4 + 8)
        writer.varint(UInt64(ranges.count))
        var end: UInt64 = 0
        for range in ranges {
            writer.varint(range.lowerBound - end)
            writer.varint(range.upperBound - range.lowerBound)
            end = range.upperBound
        }
        return writer.finish()
    }

    package init(encoded bytes: [UInt8]) throws(TidegateError) {
        var reader = ByteReader(bytes)
        let corrupt = TidegateError(.corrupt, "A segment's list of rows is damaged.")
        let length = try reader.length(max: reader.remaining / 2)
        ranges.reserveCapacity(length)
        var end: UInt64 = 0
        for index in 0..<length {
            let gap = try reader.varint()
            let size = try reader.varint()
            let (start, startOverflow) = end.addingReportingOverflow(gap)
            let (stop, stopOverflow) = start.addingReportingOverflow(size)
            guard !startOverflow, !stopOverflow, size > 0, gap > 0 || index == 0, stop <= UInt64(Int64.max) else {
                throw corrupt
            }
            ranges.append(start..<stop)
            count += size
            end = stop
        }
        guard reader.isAtEnd else { throw corrupt }
    }
}
