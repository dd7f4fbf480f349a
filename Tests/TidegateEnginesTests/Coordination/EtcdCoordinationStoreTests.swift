import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("The coordination store on etcd", .timeLimit(.minutes(1)))
struct EtcdCoordinationStoreTests {
    private func with(
        _ endpoints: [String], _ settings: EtcdSettings = EtcdSettings(),
        _ body: (EtcdCoordinationStore) async throws -> Void
    ) async throws {
        let store = try EtcdCoordinationStore(endpoints: endpoints, settings: settings, logger: quiet)
        do { try await body(store) } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private static let put = CoordinationTransaction(then: [.put(key: "/a", value: [1])])

    private func code(_ body: () async throws -> Void) async -> TidegateError.Code? {
        do {
            try await body()
            return nil
        } catch { return (error as? TidegateError)?.code }
    }

    @Test("a member that is away costs a turn, not the call")
    func rotation() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        try await with(["http://127.0.0.1:1", server.endpoint]) { store in
            for _ in 0..<3 {
                let outcome = try await store.commit(Self.put)
                #expect(outcome.succeeded)
            }
            let found = try await store.get("/a")
            #expect(found?.value == [1])
        }
    }

    @Test("nobody there: a write surely did not happen")
    func unreachable() async throws {
        try await with(["http://127.0.0.1:1"]) { store in
            let write = await code { _ = try await store.commit(Self.put) }
            let read = await code { _ = try await store.get("/a") }
            #expect(write == .unavailable && read == .unavailable)
        }
    }

    @Test("a member that falls silent leaves a write unknown, a read unavailable, and both are told in time")
    func silence() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        try await with([server.endpoint]) { store in
            // On a busy machine even a call to a member that is well may come too late.
            while await code({ _ = try await store.commit(Self.put) }) != nil {}
            server.process.pause()
            let write = CoordinationTransaction(then: [.put(key: "/a", value: [2])])
            var unknown: TidegateError.Code?
            repeat {
                let began = ContinuousClock.now
                unknown = await code { _ = try await store.commit(write) }
                #expect(ContinuousClock.now - began < .seconds(7))
                // `unavailable` says that the write never had a connection: no member was silent about it.
            } while unknown == .unavailable
            let began = ContinuousClock.now
            let silent = await code { _ = try await store.get("/a") }
            #expect(ContinuousClock.now - began < .seconds(7))
            #expect(unknown == .unknownOutcome && silent == .unavailable)
            server.process.resume()
            // Unknown means it: both are right, and a read tells which.
            var found: KeyValue?
            while found == nil { found = try? await store.get("/a") }
            #expect([[1], [2]].contains(found?.value))
        }
    }

    @Test("a watch that broke off goes on behind the last change it delivered")
    func watchResumes() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        try await with([server.endpoint]) { store in
            let base = try await store.range(prefix: "/", after: nil, limit: 1).revision
            var changes = store.watch(prefix: "/", from: base + 1).makeAsyncIterator()
            _ = try await store.commit(Self.put)
            let first = try await changes.next()
            #expect(first?.revision == base + 1)
            server.process.pause()
            server.process.resume()
            _ = try await store.commit(Self.put)
            let second = try await changes.next()
            #expect(second?.revision == base + 2)
        }
    }

    @Test("old revisions are forgotten, so that etcd does not fill up")
    func compaction() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        try await with([server.endpoint]) { store in
            try await store.check()
            let first = try await store.commit(Self.put).revision
            await withDiscardingTaskGroup { group in
                group.addTask { await store.keepCompacted(every: .milliseconds(20)) }
                var isForgotten = false
                while !isForgotten {
                    _ = try? await store.commit(Self.put)
                    var changes = store.watch(prefix: "/", from: first).makeAsyncIterator()
                    do { _ = try await changes.next() } catch { isForgotten = error is WatchCompacted }
                }
                group.cancelAll()
            }
        }
    }

    @Test("too many calls wait in turn or are turned away; a lease is renewed all the same")
    func pace() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        var settings = EtcdSettings()
        (settings.transactionsPerSecond, settings.transactionsBurst, settings.waitMax) = (2, 2, .seconds(1))
        try await with([server.endpoint], settings) { store in
            let lease = try await store.grantLease(seconds: 60)
            let began = ContinuousClock.now
            let codes = await withTaskGroup(of: TidegateError.Code?.self) { group in
                for _ in 0..<8 { group.addTask { await code { _ = try await store.commit(Self.put) } } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            // Two tokens are there, two come within the second that a call waits.
            #expect(codes.filter { $0 == nil }.count == 4, "\(codes)")
            #expect(codes.filter { $0 == .overloaded }.count == 4)
            #expect(ContinuousClock.now - began >= .seconds(1))
            let isLate = await code { try await store.keepAlive(lease) }
            #expect(isLate == nil)
        }
    }

    @Test("an etcd that takes no writes is refused, one that can is not")
    func alarms() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        try await with([server.endpoint]) { store in
            try await store.check()
            var request = HTTPClientRequest(url: server.endpoint + "/v3/maintenance/alarm")
            request.method = .POST
            request.body = .bytes(Array(#"{"action":"ACTIVATE","alarm":"NOSPACE"}"#.utf8))
            let raised = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
            #expect(raised.status == .ok)
            let refused = await code { try await store.check() }
            #expect(refused == .invalidConfiguration)
        }
        // A node that runs asks again and says so.
        let heard = Heard.Errors()
        let store = try EtcdCoordinationStore(
            endpoints: [server.endpoint], logger: Logger(label: "test") { _ in Heard(heard) })
        await withDiscardingTaskGroup { group in
            group.addTask { await store.keepChecked(every: .milliseconds(20)) }
            while !heard.messages.withLock({ $0.contains("etcd is not well") }) { await Task.yield() }
            group.cancelAll()
        }
        await store.close()
    }

    @Test("commit cost", .enabled(if: ProcessInfo.processInfo.environment["TIDEGATE_MEASURE"] != nil))
    func commitCost() async throws {
        let server = try await ServerProcess.retrying { try await EtcdServer() }
        var settings = EtcdSettings()
        (settings.transactionsPerSecond, settings.transactionsBurst) = (100_000, 100_000)
        try await with([server.endpoint], settings) { store in
            let value = [UInt8](repeating: 7, count: 200)
            var revision: Revision = 0
            var latencies: [Duration] = []
            let start = clock()
            for _ in 0..<2_000 {
                let began = ContinuousClock.now
                let outcome = try await store.commit(
                    .init(
                        compare: [.modRevision(key: "/head", equals: revision)],
                        then: [.put(key: "/head", value: value)]))
                latencies.append(.now - began)
                revision = outcome.revision
            }
            let cpu = Double(clock() - start) / Double(CLOCKS_PER_SEC) / 2_000 * 1e6
            latencies.sort()
            print("commit cost: \(cpu) µs of CPU, p50 \(latencies[1_000]), p99 \(latencies[1_980])")
        }
    }

    @Test("what is no endpoint is refused with what to write", arguments: [[], ["127.0.0.1:2379"], ["etcd:x"]])
    func endpoints(_ endpoints: [String]) {
        #expect(throws: TidegateError.self) { try EtcdCoordinationStore(endpoints: endpoints, logger: quiet) }
    }
}

private struct Heard: LogHandler {
    /// What was logged as an error.
    final class Errors: Sendable {
        let messages = Mutex<[String]>([])
    }

    let errors: Errors
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(_ errors: Errors) { self.errors = errors }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level >= .error { errors.messages.withLock { $0.append("\(event.message)") } }
    }
}
