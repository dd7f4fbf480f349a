internal import AsyncHTTPClient
internal import FoundationEssentials
package import Logging
internal import NIOCore
package import TidegateCore

/// The coordination store of a cluster: etcd v3, through the JSON gateway that every member serves. A node's reads and
/// transactions each pass a token bucket first.
package final class EtcdCoordinationStore: CoordinationStore {
    let client: EtcdClient
    private let http: HTTPClient
    let logger: Logger
    private let transactions: EtcdPace
    private let reads: EtcdPace

    /// Between two tries to open a watch again.
    private static let watchPause = Duration.milliseconds(250)
    /// Of one line of a watch: 128 operations of 64 KiB, in base64.
    private static let lineBytesMax = 16 << 20

    /// - Parameter endpoints: `http://host:port` of the members, in the order in which they are tried.
    /// - Throws: `.invalidConfiguration` when there is none or one is malformed.
    package init(
        endpoints: [String], settings: EtcdSettings = EtcdSettings(), logger: Logger
    ) throws(TidegateError) {
        let endpoints = endpoints.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        guard !endpoints.isEmpty, endpoints.allSatisfy({ $0.hasPrefix("http://") || $0.hasPrefix("https://") }) else {
            throw TidegateError(
                .invalidConfiguration,
                "etcd's endpoints are given as etcd:http://HOST:PORT,…; found '\(endpoints.joined(separator: ","))'.")
        }
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .milliseconds(500))
        // A pooled connection that a member closed must not make an outcome unknown more often than need be.
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        client = EtcdClient(endpoints: endpoints, http: http)
        self.logger = logger
        transactions = EtcdPace(
            perSecond: settings.transactionsPerSecond, burst: settings.transactionsBurst, waitMax: settings.waitMax,
            call: "transaction")
        let more = settings.readsPerTransaction
        reads = EtcdPace(
            perSecond: settings.transactionsPerSecond * more, burst: settings.transactionsBurst * more,
            waitMax: settings.waitMax, call: "read")
    }

    package func close() async { try? await http.shutdown() }

    package func get(_ key: String) async throws(TidegateError) -> KeyValue? {
        try CoordinationTransaction.validate(key: key)
        try await reads.turn()
        let answer: EtcdRange = try await client.call(
            "/v3/kv/range", EtcdRangeRequest(key: Data(key.utf8)), .read)
        guard let found = answer.kvs?.first else { return nil }
        return try found.entry()
    }

    package func range(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> KeyRange {
        try await reads.turn()
        // Behind a key is the key with a zero byte.
        let start = after.map { max(Data($0.utf8) + [0], Data(prefix.utf8)) } ?? Data(prefix.utf8)
        let answer: EtcdRange = try await client.call(
            "/v3/kv/range",
            EtcdRangeRequest(
                key: start, rangeEnd: Self.end(of: prefix), limit: EtcdNumber(Int64(max(limit, 1)))), .read)
        let found = limit > 0 ? answer.kvs ?? [] : []
        return KeyRange(
            entries: try found.map { entry throws(TidegateError) in try entry.entry() },
            hasMore: answer.more ?? false || (limit <= 0 && answer.kvs?.isEmpty == false),
            revision: answer.header?.revision?.value ?? 0)
    }

    package func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome {
        try transaction.validate()
        // Without changes it is a read: it can be asked again, and its outcome is never unknown.
        let kind: EtcdClient.Kind = transaction.then.isEmpty ? .read : .write
        try await (kind == .read ? reads : transactions).turn()
        let answer: EtcdTransactionAnswer = try await client.call("/v3/kv/txn", EtcdTransaction(transaction), kind)
        let responses = answer.responses ?? []
        guard responses.count >= transaction.read.count else {
            throw TidegateError(.unknownOutcome, "etcd answered a transaction without its reads.")
        }
        let reads = try responses.suffix(transaction.read.count).map { response throws(TidegateError) in
            try response.responseRange?.kvs?.first?.entry()
        }
        return TransactionOutcome(
            succeeded: answer.succeeded ?? false, revision: answer.header?.revision?.value ?? 0, reads: reads)
    }

    // Leases have no turn to wait for: a node that asks for much must not lose what it holds.

    package func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID {
        guard seconds > 0 else { throw TidegateError(.invalidRequest, "A lease lasts one second or longer.") }
        // A lease of unknown outcome ends by itself: trying again is harmless.
        let lease: EtcdLease = try await client.call(
            "/v3/lease/grant", EtcdLease(ttl: EtcdNumber(Int64(seconds))), .read)
        guard let id = lease.id?.value else {
            throw TidegateError(.unavailable, "etcd granted a lease without a name.")
        }
        return LeaseID(rawValue: id)
    }

    package func keepAlive(_ lease: LeaseID) async throws(TidegateError) {
        let answer: EtcdLeaseRenewal = try await client.call(
            "/v3/lease/keepalive", EtcdLease(id: EtcdNumber(lease.rawValue)), .read)
        guard let seconds = answer.result?.ttl?.value, seconds > 0 else {
            throw TidegateError(.notFound, "The lease has ended.")
        }
    }

    package func revoke(_ lease: LeaseID) async throws(TidegateError) {
        let _: EtcdNothing = try await client.call(
            "/v3/lease/revoke", EtcdLease(id: EtcdNumber(lease.rawValue)), .write)
    }

    /// The first key behind all that start with `prefix`; a zero byte is the end of everything.
    static func end(of prefix: String) -> Data {
        var end = Data(prefix.utf8)
        while let last = end.last {
            end.removeLast()
            if last < 0xFF { return end + [last + 1] }
        }
        return Data([0])
    }
}

private func max(_ one: Data, _ other: Data) -> Data { one.lexicographicallyPrecedes(other) ? other : one }

// MARK: - Watching
extension EtcdCoordinationStore {
    /// Opens the watch again, from the change behind the last one delivered, whenever a connection breaks.
    package func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        AsyncThrowingStream { continuation in
            // The stream's reader has no task of its own to hang this on; it ends with the stream.
            let task = Task {
                var next = from
                while !Task.isCancelled {
                    do {
                        try await self.follow(prefix, from: &next) { continuation.yield($0) }
                    } catch let error as WatchCompacted {
                        return continuation.finish(throwing: error)
                    } catch {
                        logger.debug("A watch broke off, opening it again", metadata: ["error": "\(error)"])
                    }
                    try? await Task.sleep(for: Self.watchPause)
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func follow(
        _ prefix: String, from next: inout Revision, _ deliver: (WatchBatch) -> Void
    ) async throws {
        let request = EtcdWatchRequest(
            createRequest: .init(
                key: Data(prefix.utf8), rangeEnd: Self.end(of: prefix), startRevision: EtcdNumber(next)))
        let response = try await client.stream("/v3/watch", request)
        var line: [UInt8] = []
        for try await part in response.body {
            for byte in part.readableBytesView {
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    guard line.count <= Self.lineBytesMax else { throw EtcdError(message: "a line is too long") }
                    continue
                }
                for batch in try Self.batches(line) where batch.revision >= next {
                    deliver(batch)
                    next = batch.revision + 1
                }
                line = []
            }
        }
    }

    /// One batch a revision, as its transaction made it.
    private static func batches(_ line: [UInt8]) throws -> [WatchBatch] {
        let answer = try EtcdJSON.decoder.decode(EtcdWatchAnswer.self, from: Data(line))
        if let error = answer.error { throw error }
        guard let result = answer.result else { return [] }
        if let oldest = result.compactRevision?.value, oldest > 0 { throw WatchCompacted(oldestKept: oldest) }
        if result.canceled ?? false { throw EtcdError(message: result.cancelReason) }
        var batches: [WatchBatch] = []
        for event in result.events ?? [] {
            let revision = event.kv.modRevision?.value ?? 0
            let change: WatchBatch.Change =
                event.type == "DELETE"
                ? .delete(key: try event.kv.name(), revision: revision) : .put(try event.kv.entry())
            if batches.last?.revision == revision {
                batches[batches.count - 1].changes.append(change)
            } else {
                batches.append(WatchBatch(changes: [change], revision: revision))
            }
        }
        return batches
    }
}
