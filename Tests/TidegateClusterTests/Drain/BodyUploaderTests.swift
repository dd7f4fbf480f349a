import Foundation
import Logging
import Synchronization
import Testing
import TidegateCluster
import TidegateCore
import TidegateTestKit

/// Bodies that wait in files of a directory.
private final class Bodies: BodyQueue {
    struct State {
        var stream = StreamID(bits: 1)
        var waiting: [WaitingBody.Place] = []
        var stored: [String] = []
        var lost = 0
        var unneeded = 0
        var minted = 0
    }
    let state = Mutex(State())
    let directory = FileManager.default.temporaryDirectory.appending(path: "tidegate-uploads-\(UUID())")
    let bodyNews: AsyncStream<Void>
    let bell: AsyncStream<Void>.Continuation

    init(_ count: Int) throws {
        (bodyNews, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let places = (1...count).map { WaitingBody.Place(GatewayUID(bits: 7), UInt64($0), .request) }
        for place in places { try Data("body \(place.sequence)".utf8).write(to: url(place)) }
        state.withLock { $0.waiting = places }
        bell.yield()
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    private func url(_ place: WaitingBody.Place) -> URL { directory.appending(path: "\(place.sequence)") }

    func waitingBodies(limit: Int) -> [WaitingBody] {
        state.withLock { state in
            state.waiting.prefix(limit).map {
                WaitingBody(place: $0, stream: state.stream, intent: $0.sequence, bytes: 6)
            }
        }
    }
    func file(of body: WaitingBody) async throws(TidegateError) -> String? {
        let path = url(body.place).path()
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    private func settle(_ body: WaitingBody, _ change: (inout State) -> Void) {
        state.withLock { state in
            state.waiting.removeAll { $0 == body.place }
            change(&state)
            if state.waiting.isEmpty { bell.finish() }
        }
    }
    func stored(_ body: WaitingBody, at key: String) { settle(body) { $0.stored.append(key) } }
    func lost(_ body: WaitingBody) { settle(body) { $0.lost += 1 } }
    func unneeded(_ body: WaitingBody) { settle(body) { $0.unneeded += 1 } }
    func mintNewStream() async throws(TidegateError) {
        state.withLock { state in
            state.minted += 1
            state.stream = StreamID(bits: state.stream.bits + 1)
        }
    }

    func remove(_ sequence: UInt64) throws {
        try FileManager.default.removeItem(at: directory.appending(path: "\(sequence)"))
    }
}

@Suite("The way of long bodies to the object store", .timeLimit(.minutes(1)))
struct BodyUploaderTests {
    private let keys = CoordinationKeys()
    private let store = MemoryObjectStore()
    private let coordination = MemoryCoordinationStore()

    /// Runs until nothing waits.
    private func run(_ bodies: Bodies) async throws {
        var settings = UploadSettings()
        settings.retryMin = .milliseconds(5)
        let uploader = BodyUploader(
            queue: bodies, store: store, coordination: coordination, keys: keys, settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await uploader.run() }
        while bodies.state.withLock({ !$0.waiting.isEmpty }) { await Task.yield() }
        running.cancel()
        try await running.value
    }

    private func key(_ sequence: UInt64, stream: UInt128 = 1) -> String {
        keys.bodyObject(GatewayUID(bits: 7), StreamID(bits: stream), intent: sequence, .request)
    }

    @Test("every body comes to its key, whatever the store does on the way")
    func all() async throws {
        let bodies = try Bodies(20)
        for fault: MemoryObjectStore.Fault in [
            .refuse, .unknownOutcome(applied: true), .refuse, .refuse, .unknownOutcome(applied: false),
        ] { store.failNextPut(fault) }
        try await run(bodies)
        #expect(Set(bodies.state.withLock { $0.stored }) == Set((1...20).map { key($0) }))
        for number in 1...20 as ClosedRange<UInt64> {
            #expect(try await store.get(key(number)) == Array("body \(number)".utf8))
        }
        #expect(bodies.state.withLock { $0.minted } == 0)
    }

    @Test("a body whose file is gone is given up, the others are not")
    func lost() async throws {
        let bodies = try Bodies(3)
        try bodies.remove(2)
        try await run(bodies)
        #expect(bodies.state.withLock { ($0.stored.count, $0.lost) } == (2, 1))
        #expect(store.keys.sorted() == [key(1), key(3)].sorted())
    }

    @Test("another outbox's body under our number is left as it is: a new stream has other names")
    func fork() async throws {
        try await store.put([1, 2, 3], at: key(1))
        let bodies = try Bodies(2)
        try await run(bodies)
        #expect(bodies.state.withLock { $0.minted } == 1)
        #expect(try await store.get(key(1)) == [1, 2, 3])
        #expect(try await store.get(key(1, stream: 2)) == Array("body 1".utf8))
    }

    @Test("nothing stays of a gateway that is gone")
    func gone() async throws {
        _ = try await coordination.commit(
            CoordinationTransaction(then: [.put(key: keys.gone(GatewayUID(bits: 7)), value: [])]))
        let bodies = try Bodies(2)
        try await run(bodies)
        #expect(bodies.state.withLock { ($0.stored.count, $0.unneeded) } == (0, 2))
        #expect(store.keys == [])
    }
}
