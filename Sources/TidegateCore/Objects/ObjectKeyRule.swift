/// What an object store takes as a key: relative paths of `[A-Za-z0-9._-]` segments joined by `/`. No segment is `.` or
/// `..`, so that no key leads out of a directory.
package enum ObjectKeyRule {
    package static let bytesMax = 1_024
    package static let segmentBytesMax = 255

    package static func check(_ key: String) throws(TidegateError) {
        let segments = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard key.utf8.count <= bytesMax, segments.allSatisfy(isSegment) else {
            throw TidegateError(
                .invalidRequest,
                "'\(key.prefix(200))' is no object key: segments of letters, digits, '.', '_', '-' joined by '/'.")
        }
    }

    private static func isSegment(_ segment: Substring.UTF8View) -> Bool {
        guard !segment.isEmpty, segment.count <= segmentBytesMax else { return false }
        if segment.allSatisfy({ $0 == UInt8(ascii: ".") }), segment.count <= 2 { return false }
        return segment.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    /// - Throws: `.invalidRequest` when a bound is negative.
    package static func check(_ range: Range<Int>) throws(TidegateError) {
        guard range.lowerBound >= 0 else {
            throw TidegateError(.invalidRequest, "A range of an object starts at 0 or later.")
        }
    }
}
