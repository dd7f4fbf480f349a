internal import FoundationEssentials
internal import TidegateCore

// The JSON of etcd's v3 gateway, as far as we speak it: names of the public API, 64-bit numbers as text, bytes as base64,
// zeroes and `false` left out.

/// Field names with underscores, but for those that are capitals only (`ID`, `TTL`).
enum EtcdJSON {
    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .custom { path in Key(path.last, snakeCase) }
        return encoder
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in Key(path.last, camelCase) }
        return decoder
    }

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int?

        init(_ key: (any CodingKey)?, _ change: (String) -> String) {
            intValue = key?.intValue
            stringValue = change(key?.stringValue ?? "")
        }
        init?(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init?(intValue: Int) { (stringValue, self.intValue) = (String(intValue), intValue) }
    }

    private static func snakeCase(_ name: String) -> String {
        guard name != name.uppercased() else { return name }
        return name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    private static func camelCase(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return parts.dropFirst().reduce(String(parts.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }
}

/// A 64-bit number, which JSON carries as text.
struct EtcdNumber: Codable, Equatable {
    var value: Int64

    init(_ value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let value = Int64(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a number: \(text)")
            }
            self.value = value
        } else {
            value = try container.decode(Int64.self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }
}

struct EtcdHeader: Decodable {
    var revision: EtcdNumber?
}

struct EtcdKeyValue: Decodable {
    var key: Data
    var value: Data?
    var createRevision: EtcdNumber?
    var modRevision: EtcdNumber?

    /// - Throws: `.corrupt` for a key that is no text: none of ours is.
    func entry() throws(TidegateError) -> KeyValue {
        KeyValue(
            key: try name(), value: value.map(Array.init) ?? [], createRevision: createRevision?.value ?? 0,
            modRevision: modRevision?.value ?? 0)
    }

    func name() throws(TidegateError) -> String {
        guard let name = String(validating: key, as: UTF8.self) else {
            throw TidegateError(.corrupt, "etcd holds a key below our prefix that is no UTF-8.")
        }
        return name
    }
}

struct EtcdRangeRequest: Encodable {
    var key: Data
    var rangeEnd: Data?
    var limit: EtcdNumber?
}

struct EtcdRange: Decodable {
    var header: EtcdHeader?
    var kvs: [EtcdKeyValue]?
    var more: Bool?
}

struct EtcdTransaction: Encodable {
    struct Comparison: Encodable {
        var key: Data
        var result = "EQUAL"
        var target: String
        var modRevision: EtcdNumber?
        var createRevision: EtcdNumber?
        var value: Data?
    }
    struct Put: Encodable {
        var key: Data
        var value: Data
        var lease: EtcdNumber?
    }
    struct Key: Encodable {
        var key: Data
    }
    struct Operation: Encodable {
        var requestPut: Put?
        var requestDeleteRange: Key?
        var requestRange: EtcdRangeRequest?
    }

    var compare: [Comparison]
    var success: [Operation]
    var failure: [Operation]

    init(_ transaction: CoordinationTransaction) {
        compare = transaction.compare.map { comparison in
            let key = Data(comparison.key.utf8)
            return switch comparison {
            case .modRevision(_, let revision):
                Comparison(key: key, target: "MOD", modRevision: EtcdNumber(revision))
            case .createRevision(_, let revision):
                Comparison(key: key, target: "CREATE", createRevision: EtcdNumber(revision))
            case .value(_, let value): Comparison(key: key, target: "VALUE", value: Data(value))
            }
        }
        let reads = transaction.read.map {
            Operation(requestRange: EtcdRangeRequest(key: Data($0.utf8)))
        }
        success =
            transaction.then.map { operation in
                switch operation {
                case .put(let key, let value, let lease):
                    Operation(
                        requestPut: Put(
                            key: Data(key.utf8), value: Data(value), lease: lease.map { EtcdNumber($0.rawValue) }))
                case .delete(let key): Operation(requestDeleteRange: Key(key: Data(key.utf8)))
                }
            } + reads
        failure = reads
    }
}

struct EtcdTransactionAnswer: Decodable {
    struct Operation: Decodable {
        var responseRange: EtcdRange?
    }
    var header: EtcdHeader?
    var succeeded: Bool?
    var responses: [Operation]?
}

struct EtcdLease: Codable {
    enum CodingKeys: String, CodingKey { case id = "ID", ttl = "TTL" }
    var id: EtcdNumber?
    var ttl: EtcdNumber?
}

struct EtcdLeaseRenewal: Decodable {
    var result: EtcdLease?
}

struct EtcdWatchRequest: Encodable {
    struct Create: Encodable {
        var key: Data
        var rangeEnd: Data
        var startRevision: EtcdNumber
    }
    var createRequest: Create
}

struct EtcdWatchAnswer: Decodable {
    struct Event: Decodable {
        var type: String?
        var kv: EtcdKeyValue
    }
    struct Result: Decodable {
        var header: EtcdHeader?
        var events: [Event]?
        var canceled: Bool?
        var compactRevision: EtcdNumber?
        var cancelReason: String?
    }
    var result: Result?
    var error: EtcdError?
}

/// What etcd says instead of an answer. `code` is gRPC's.
struct EtcdError: Decodable, Error {
    var message: String?
    var code: Int?
}

struct EtcdNothing: Codable {}
