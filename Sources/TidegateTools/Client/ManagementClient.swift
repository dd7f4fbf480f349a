internal import ArgumentParser
internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import TidegateCore

/// One call to a node's management API at a time. A failure is told on stderr with what to do, and leaves as the exit
/// code: 1 when the API refused, 69 when the node could not be reached.
struct ManagementClient {
    let base: String
    let token: String?
    /// PEM file of an authority that the node's certificate may be signed by, besides the system's.
    let authority: String?

    /// Longest answer that is read, in bytes: a stored body has at most 10 MB.
    static let answerBytesMax = 64 << 20
    /// Covers a deletion by filter of 10 000 rows.
    static let timeoutSeconds: Int64 = 60

    enum Method: String {
        case get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE"
    }

    struct Answer {
        var status: Int
        var contentType: String
        var bytes: Data
    }

    /// - Returns: the envelope's `result`, and the whole envelope.
    @discardableResult
    func call(
        _ method: Method, _ path: [String], query: [(String, String)] = [], body: JSONValue? = nil
    ) async throws -> (result: JSONValue, envelope: JSONValue) {
        let answer = try await send(method, "/client/v4", path, query: query, body: body)
        guard let envelope = try? JSONDecoder().decode(JSONValue.self, from: answer.bytes) else {
            Console.error("\(base) did not answer with JSON (status \(answer.status)). Is it a Tidegate node?")
            throw ExitCode(1)
        }
        return (envelope["result"] ?? .null, envelope)
    }

    /// A stored body; `nil` when none was kept.
    func body(_ path: [String]) async throws -> Data? {
        let answer = try await exchange(request(.get, "/client/v4", path, query: [], body: nil))
        guard answer.status != 404 else { return nil }
        return try accepted(answer).bytes
    }

    /// A path whose answer has no envelope.
    func raw(_ prefix: String, _ path: [String] = []) async throws -> Answer {
        try await send(.get, prefix, path, query: [], body: nil)
    }

    private func send(
        _ method: Method, _ prefix: String, _ path: [String], query: [(String, String)], body: JSONValue?
    ) async throws -> Answer {
        try accepted(try await exchange(request(method, prefix, path, query: query, body: body)))
    }

    private func request(
        _ method: Method, _ prefix: String, _ path: [String], query: [(String, String)], body: JSONValue?
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: Self.url(base + prefix, path, query))
        request.method = HTTPMethod(rawValue: method.rawValue)
        request.headers.add(name: "accept", value: "*/*")
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body.compactText))
        }
        return request
    }

    /// - Throws: the exit code, after saying why, unless the answer is a good one.
    private func accepted(_ answer: Answer) throws -> Answer {
        guard (200..<300).contains(answer.status) else {
            Console.error(Self.explain(answer, hasToken: token != nil))
            throw ExitCode(1)
        }
        return answer
    }

    private func exchange(_ request: HTTPClientRequest) async throws -> Answer {
        do {
            let http = try ManagementConnections.client(authority: authority)
            let response = try await http.execute(request, timeout: .seconds(Self.timeoutSeconds))
            var bytes = Data()
            for try await part in response.body {
                bytes.append(contentsOf: part.readableBytesView)
                guard bytes.count <= Self.answerBytesMax else {
                    Console.error("The answer is longer than \(Self.answerBytesMax >> 20) MB; it was not read.")
                    throw ExitCode(1)
                }
            }
            return Answer(
                status: Int(response.status.code), contentType: response.headers.first(name: "content-type") ?? "",
                bytes: bytes)
        } catch let code as ExitCode {
            throw code
        } catch let error as NIOSSLExtraError {
            Console.error("the certificate of \(base) is not for that host (\(error.description)).")
            throw ExitCode(69)
        } catch is NIOSSLError {
            Console.error("the certificate of \(base) is not trusted here: give its authority with --ca FILE.")
            throw ExitCode(69)
        } catch {
            Console.error("cannot reach \(base) (\(error)). Is the node running? Give its URL with --target.")
            throw ExitCode(69)
        }
    }

    static func url(_ start: String, _ path: [String], _ query: [(String, String)]) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        func escape(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text }
        let pairs = query.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&")
        return start + path.map { "/" + escape($0) }.joined() + (pairs.isEmpty ? "" : "?" + pairs)
    }

    /// The API's own words, and what to do about the status.
    static func explain(_ answer: Answer, hasToken: Bool) -> String {
        let envelope = try? JSONDecoder().decode(JSONValue.self, from: answer.bytes)
        let errors = (envelope?["errors"] ?? envelope?["error"])?.items ?? []
        let words = errors.map { error in
            let place = (error["path"]?.items ?? []).map(\.cell).joined(separator: ".")
            return (error["message"]?.text ?? "no message") + (error["code"].map { " (code \($0.cell))" } ?? "")
                + (place.isEmpty ? "" : " at \(place)")
        }
        let said =
            words.isEmpty ? "status \(answer.status)" : "\(words.joined(separator: "; ")), status \(answer.status)"
        return switch answer.status {
        case 401 where !hasToken:
            "\(said). No token was given: use --token-file STATE/admin-token, --token or TIDEGATE_ADMIN_TOKEN."
        case 401: "\(said). The token is not known here, or has expired."
        case 403: "\(said). The token lacks the permission: make one with `tidegate token create --permission …`."
        case 404: "\(said). The `list` command beside this one shows what there is."
        case 409: "\(said). It exists already, or still has parts: see `list`."
        case 429, 503: "\(said). Try again in a moment."
        default: said
        }
    }
}
