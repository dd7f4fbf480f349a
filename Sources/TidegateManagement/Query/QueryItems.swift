/// The names and values of a query string, decoded, in the order they came.
struct QueryItems: Sendable {
    let all: [(name: String, value: String)]

    /// Longer ones are refused before anything is decoded. A request's head is bounded too, by the listener.
    static let bytesMax = 64 * 1024

    /// - Parameter raw: what follows the `?`, as sent.
    init(_ raw: String) throws(APIFailure) {
        guard raw.utf8.count <= Self.bytesMax else {
            throw .invalid("The query string is longer than \(Self.bytesMax) bytes", at: ["query"])
        }
        var items: [(name: String, value: String)] = []
        for part in raw.utf8.split(separator: UInt8(ascii: "&")) {
            let cut = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            guard let name = Self.decoded(part[..<cut]) else {
                throw .invalid("A name in the query string is not percent-encoded UTF-8", at: ["query"])
            }
            guard let value = Self.decoded(part[cut...].dropFirst()) else {
                throw .invalid("The value is not percent-encoded UTF-8", at: ["query", .name(name)])
            }
            items.append((name, value))
        }
        all = items
    }

    /// - Throws: when the name is there more than once.
    func one(_ name: String) throws(APIFailure) -> String? {
        var found: String?
        for item in all where item.name == name {
            guard found == nil else { throw .invalid("Given more than once", at: ["query", .name(name)]) }
            found = item.value
        }
        return found
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIFailure) -> Int? {
        guard let text = try one(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .invalid(
                range.upperBound == .max
                    ? "Must be an integer of at least \(range.lowerBound)"
                    : "Must be an integer from \(range.lowerBound) to \(range.upperBound)", at: ["query", .name(name)])
        }
        return value
    }

    func boolean(_ name: String) throws(APIFailure) -> Bool? {
        guard let text = try one(name) else { return nil }
        if text == "true" || text == "1" { return true }
        guard text == "false" || text == "0" else {
            throw .invalid("Must be true or false", at: ["query", .name(name)])
        }
        return false
    }

    private static func decoded(_ text: Substring.UTF8View.SubSequence) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(nibble), let low = rest.popFirst().flatMap(nibble) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// Where in a list the client wants to read.
struct Paging: Equatable, Sendable {
    var page: Int
    var perPage: Int

    init(_ items: QueryItems, perPageMax: Int) throws(APIFailure) {
        page = try items.integer("page", in: 1...Int.max) ?? 1
        perPage = try items.integer("per_page", in: 1...perPageMax) ?? 20
    }

    /// The page's part of everything; empty past the end.
    func cut<Item>(_ all: [Item]) -> [Item] {
        let (start, overflow) = (page - 1).multipliedReportingOverflow(by: perPage)
        return overflow ? [] : Array(all.dropFirst(start).prefix(perPage))
    }
}
