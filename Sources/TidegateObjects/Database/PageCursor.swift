internal import Foundation
internal import TidegateCore

/// Where a page ended: the next one starts behind this row, whatever was inserted meanwhile.
struct PageBoundary: Hashable, Sendable {
    var key: SQLValue
    var lsn: Int64
}

/// A boundary as text for clients: opaque, checked, and bound to the query that it came from.
enum PageCursor {
    private static let version: UInt8 = 1

    static func text(_ boundary: PageBoundary, of query: LogQuery) -> String {
        var writer = ByteWriter(capacity: 40)
        writer.fixed(version)
        writer.fixed(CRC32C.checksum(query.fingerprint))
        writer.fixed(boundary.lsn)
        switch boundary.key {
        case .null: writer.fixed(0 as UInt8)
        case .integer(let value):
            writer.fixed(1 as UInt8)
            writer.fixed(value)
        case .real(let value):
            writer.fixed(2 as UInt8)
            writer.fixed(value.bitPattern)
        case .text(let value):
            writer.fixed(3 as UInt8)
            writer.counted(value.utf8)
        }
        let checksum = CRC32C.checksum(writer.bytes)
        writer.fixed(checksum)
        return Data(writer.bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    /// - Throws: `.invalidRequest` for anything that `text` did not make for a query like this one.
    static func boundary(_ text: String, of query: LogQuery) throws(TidegateError) -> PageBoundary {
        let plain = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        let padded = plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
        let invalid = TidegateError(.invalidRequest, "cursor is not one that a page gave. Start at the first page.")
        guard let bytes = Data(base64Encoded: padded).map({ [UInt8]($0) }), bytes.count > 4,
            CRC32C.checksum(bytes.dropLast(4))
                == bytes.suffix(4).reversed().reduce(0 as UInt32, { $0 << 8 | UInt32($1) })
        else { throw invalid }
        do throws(TidegateError) {
            var reader = ByteReader(bytes.dropLast(4))
            guard try reader.fixed(UInt8.self) == version else { throw invalid }
            guard try reader.fixed(UInt32.self) == CRC32C.checksum(query.fingerprint) else {
                throw TidegateError(
                    .invalidRequest, "cursor belongs to a query with other filters or another order. Start anew.")
            }
            let lsn = try reader.fixed(Int64.self)
            switch try reader.fixed(UInt8.self) {
            case 1: return PageBoundary(key: .integer(try reader.fixed()), lsn: lsn)
            case 2: return PageBoundary(key: .real(Double(bitPattern: try reader.fixed())), lsn: lsn)
            case 3: return PageBoundary(key: .text(try reader.string()), lsn: lsn)
            default: throw invalid
            }
        } catch {
            throw error.code == .invalidRequest ? error : invalid
        }
    }
}

extension LogQuery {
    /// What makes two pages parts of one list: filters, search and order, but neither the page nor its length.
    var fingerprint: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.counted(order.rawValue.utf8)
        writer.fixed(isDescending ? 1 : 0 as UInt8)
        writer.counted((search ?? "").utf8)
        if let bodySearch { writer.counted(bodySearch.utf8) }
        for filter in filters {
            writer.counted(filter.key.rawValue.utf8)
            writer.counted(filter.operator.rawValue.utf8)
            writer.varint(UInt64(filter.values.count))
            for value in filter.values {
                switch value {
                case .string(let text):
                    writer.fixed(1 as UInt8)
                    writer.counted(text.utf8)
                case .number(let number):
                    writer.fixed(2 as UInt8)
                    writer.fixed(number.bitPattern)
                case .bool(let bool): writer.fixed(bool ? 4 : 3 as UInt8)
                case .null: writer.fixed(0 as UInt8)
                }
            }
        }
        return writer.finish()
    }
}
