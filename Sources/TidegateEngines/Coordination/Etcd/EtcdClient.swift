internal import AsyncHTTPClient
internal import FoundationEssentials
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization
internal import TidegateCore

/// Calls an etcd cluster through its JSON gateway, one endpoint after the other.
///
/// What a failure means depends on how far the call came: before a connection there was none, so nothing happened and the
/// next endpoint is asked; after it, a read may be asked again elsewhere, and a write has an outcome that nobody knows (A4).
struct EtcdClient: Sendable {
    enum Kind { case read, write }

    private let endpoints: [String]
    private let http: HTTPClient
    private let preferred = Preferred()

    /// Far below the 7 s after which a member without quorum gives up by itself.
    static let deadline = TimeAmount.seconds(2)
    /// Larger than any answer to a page of 500 documents of 64 KiB.
    private static let answerBytesMax = 64 << 20

    private final class Preferred: Sendable {
        let index = Mutex(0)
    }

    /// - Parameter endpoints: `http://host:port`, at least one.
    init(endpoints: [String], http: HTTPClient) {
        self.endpoints = endpoints
        self.http = http
    }

    func call<Answer: Decodable>(
        _ path: String, _ message: some Encodable, _ kind: Kind, as: Answer.Type = Answer.self
    ) async throws(TidegateError) -> Answer {
        let body = try Self.encode(message)
        var last = ""
        for turn in endpoints.indices {
            let place = (preferred.index.withLock { $0 } + turn) % endpoints.count
            do {
                let answer: Answer = try await ask(endpoints[place] + path, body)
                if turn > 0 { preferred.index.withLock { $0 = place } }
                return answer
            } catch let refusal as EtcdError {
                guard let error = Self.error(refusal, kind) else {
                    last = refusal.message ?? "code \(refusal.code ?? 0)"
                    continue
                }
                throw error
            } catch {
                last = "\(endpoints[place]): \(error)"
                guard kind == .read || Self.surelyNotSent(error) else {
                    preferred.index.withLock { $0 = (place + 1) % endpoints.count }
                    throw TidegateError(.unknownOutcome, "etcd did not say what came of a write.", cause: error)
                }
            }
        }
        throw TidegateError(.unavailable, "No etcd member answered (\(last)): check --coordination and the members.")
    }

    /// Opens an answer that goes on; its lines are JSON.
    func stream(_ path: String, _ message: some Encodable) async throws -> HTTPClientResponse {
        let place = preferred.index.withLock { $0 }
        let request = try Self.request(endpoints[place] + path, Self.encode(message))
        do {
            let response = try await http.execute(request, deadline: .distantFuture)
            guard response.status == .ok else { throw EtcdError(message: "status \(response.status.code)") }
            return response
        } catch {
            preferred.index.withLock { $0 = (place + 1) % endpoints.count }
            throw error
        }
    }

    /// A number of the preferred member's `/metrics`; `nil` when it does not say.
    func metric(_ name: String) async -> Double? {
        let place = preferred.index.withLock { $0 }
        let request = HTTPClientRequest(url: endpoints[place] + "/metrics")
        guard let response = try? await http.execute(request, timeout: Self.deadline), response.status == .ok,
            let bytes = try? await response.body.collect(upTo: 4 << 20)
        else { return nil }
        let lines = String(decoding: bytes.readableBytesView, as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    /// What each member that answers says of itself. One that does not is left out: it may be away for a while.
    func versions() async -> [(endpoint: String, version: String)] {
        var found: [(endpoint: String, version: String)] = []
        for endpoint in endpoints {
            let request = HTTPClientRequest(url: endpoint + "/version")
            guard let response = try? await http.execute(request, timeout: Self.deadline), response.status == .ok,
                let bytes = try? await response.body.collect(upTo: 64 << 10)
            else { continue }
            let answer = try? EtcdJSON.decoder.decode(EtcdVersionAnswer.self, from: Data(bytes.readableBytesView))
            found.append((endpoint, answer?.etcdserver ?? "unknown"))
        }
        return found
    }

    private func ask<Answer: Decodable>(_ url: String, _ body: [UInt8]) async throws -> Answer {
        let response = try await http.execute(Self.request(url, body), timeout: Self.deadline)
        let bytes = try await response.body.collect(upTo: Self.answerBytesMax)
        let data = Data(bytes.readableBytesView)
        guard response.status == .ok else {
            throw (try? EtcdJSON.decoder.decode(EtcdError.self, from: data))
                ?? EtcdError(message: "status \(response.status.code)")
        }
        return try EtcdJSON.decoder.decode(Answer.self, from: data)
    }

    private static func request(_ url: String, _ body: [UInt8]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(body)
        return request
    }

    private static func encode(_ message: some Encodable) throws(TidegateError) -> [UInt8] {
        do { return Array(try EtcdJSON.encoder.encode(message)) } catch {
            throw TidegateError(.internalError, "A message to etcd cannot be encoded.", cause: error)
        }
    }

    /// - Returns: `nil` when another member may do better.
    private static func error(_ refusal: EtcdError, _ kind: Kind) -> TidegateError? {
        let words = refusal.message ?? "no reason"
        // gRPC's codes: 3 invalid argument, 5 not found, 9 failed precondition, 11 out of range: nothing happened.
        switch refusal.code {
        case 5: return TidegateError(.notFound, "etcd: \(words)")
        case 3, 9, 11: return TidegateError(.invalidRequest, "etcd: \(words)")
        case 7, 16: return TidegateError(.invalidConfiguration, "etcd refuses us: \(words)")
        default:
            // No leader, no space, time out: a write may have happened all the same.
            return kind == .write ? TidegateError(.unknownOutcome, "etcd: \(words)") : nil
        }
    }

    private static let beforeConnecting = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL]

    private static func surelyNotSent(_ error: any Error) -> Bool {
        if error is NIOConnectionError { return true }
        if let error = error as? IOError { return Self.beforeConnecting.contains(error.errnoCode) }
        guard let error = error as? HTTPClientError else { return false }
        return error == .connectTimeout || error == .getConnectionFromPoolTimeout
    }
}
