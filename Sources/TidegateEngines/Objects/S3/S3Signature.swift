internal import Crypto
internal import FoundationEssentials
internal import TidegateCore

/// Signs requests as AWS Signature Version 4 asks ("Signature Version 4 signing process", AWS General Reference).
///
/// Pure: the same request at the same time has the same signature.
struct S3Signature: Sendable {
    struct Request {
        var method: String
        /// Path as on the wire: escaped once.
        var path: String
        /// Names and values, not escaped.
        var query: [(name: String, value: String)] = []
        /// Lower-case names; `host` and every `x-amz-` field among them.
        var headers: [(name: String, value: String)]
        /// SHA-256 of the body, 64 lower-case hexadecimal digits.
        var payloadHash: String
    }

    let accessKey: String
    let secretKey: String
    let region: String

    /// - Parameter stamp: `20130524T000000Z`, the value of `x-amz-date`.
    /// - Returns: the value of `Authorization`.
    func authorization(for request: Request, at stamp: String) -> String {
        let day = String(stamp.prefix(8))
        let scope = "\(day)/\(region)/s3/aws4_request"
        let headers = request.headers.sorted { $0.name < $1.name }
        let names = headers.map(\.name).joined(separator: ";")
        let canonical = [
            request.method, request.path, Self.canonical(request.query),
            headers.map { "\($0.name):\($0.value)\n" }.joined(), names, request.payloadHash,
        ].joined(separator: "\n")
        let text = ["AWS4-HMAC-SHA256", stamp, scope, Self.hash(Array(canonical.utf8))].joined(separator: "\n")
        var key = SymmetricKey(data: Array("AWS4\(secretKey)".utf8))
        for part in [day, region, "s3", "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = Hexadecimal.text(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
        return "AWS4-HMAC-SHA256 Credential=\(accessKey)/\(scope),SignedHeaders=\(names),Signature=\(signature)"
    }

    static func hash(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { hash($0) } }

    static func hash(_ bytes: UnsafeRawBufferPointer) -> String {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return Hexadecimal.text(hash.finalize())
    }

    /// The query as it is signed and sent: ordered, everything but unreserved characters escaped.
    static func canonical(_ query: [(name: String, value: String)]) -> String {
        query.map { (escaped($0.name), escaped($0.value)) }.sorted { $0 < $1 }.map { "\($0)=\($1)" }
            .joined(separator: "&")
    }

    static func escaped(_ text: String) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.append(byte)
            default: escaped += Array("%".utf8) + Array(Hexadecimal.text([byte]).uppercased().utf8)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    /// `x-amz-date` of a time: ISO 8601 in UTC, whole seconds, without its separators.
    static func stamp(milliseconds: Int64) -> String {
        let date = Date(timeIntervalSince1970: Double(milliseconds / 1_000))
        return date.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
    }
}
