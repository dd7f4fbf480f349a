import Synchronization
import Testing
import TidegateCluster
import TidegateCore

/// Gathers an answer; reads on only when it is let.
private final class Reader: ControlResponseWriter {
    struct State {
        var status = 0
        var headers: [String: String] = [:]
        var bytes = 0
        var checksum: UInt64 = 0
        var isWhole = false
        var lets: Int?
    }
    let state = Mutex(State())
    init(lets: Int? = nil) { state.withLock { $0.lets = lets } }

    func head(status: Int, headers: [(name: String, value: String)]) async throws {
        state.withLock { state in
            state.status = status
            for header in headers { state.headers[header.name] = header.value }
        }
    }
    func part(_ bytes: [UInt8]) async throws {
        while state.withLock({ $0.lets == 0 }) { try await Task.sleep(for: .milliseconds(2)) }
        state.withLock { state in
            state.bytes += bytes.count
            state.checksum = bytes.reduce(state.checksum) { $0 &* 31 &+ UInt64($1) }
            if let lets = state.lets { state.lets = lets - 1 }
        }
    }
    func end() async throws { state.withLock { $0.isWhole = true } }
    var seen: State { state.withLock { $0 } }
}

@Suite("Requests and questions to another node", .timeLimit(.minutes(2)))
struct PeerCallTests {
    private static let request = ControlRequest(
        method: "POST", target: "/client/v4/accounts?x=%20y",
        headers: [("Accept", "a"), ("X-Twice", "1"), ("X-Twice", "2")],
        body: Array("body".utf8))

    @Test("a request arrives as it was sent, and so does its answer")
    func control() async throws {
        let service = FakePeer(controlling: { _, writer in
            try await writer.head(status: 201, headers: [("content-type", "text/plain")])
            try await writer.part(Array("he".utf8))
            try await writer.part([])
            try await writer.part(Array("llo".utf8))
            try await writer.end()
        })
        let reader = Reader()
        try await talking(to: service) { clients, peer in
            try await clients.control(Self.request, at: peer, through: reader)
        }
        #expect(reader.seen.status == 201)
        #expect(reader.seen.headers == ["content-type": "text/plain"])
        #expect(reader.seen.bytes == 5 && reader.seen.isWhole)
        let arrived = try #require(service.state.withLock { $0.requests.first })
        #expect(arrived.method == "POST" && arrived.target == Self.request.target && arrived.body == Self.request.body)
        #expect(arrived.headers.map(\.name) == ["Accept", "X-Twice", "X-Twice"])
        #expect(arrived.headers.map(\.value) == ["a", "1", "2"])
    }

    @Test("20 MiB reach a slow reader whole, and the sender is held back by it")
    func slowReader() async throws {
        let written = Mutex(0)
        let service = FakePeer(controlling: { _, writer in
            try await writer.head(status: 200, headers: [])
            for number in 0..<320 {
                try await writer.part([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 64 << 10))
                written.withLock { $0 += 64 << 10 }
            }
            try await writer.end()
        })
        let reader = Reader(lets: 3)
        try await talking(to: service) { clients, peer in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await clients.control(Self.request, at: peer, through: reader) }
                #expect(await eventually { reader.seen.lets == 0 })
                // It has stopped when nothing was added while a hundred other calls went through the same connection.
                var before = -1
                while before != written.withLock({ $0 }) {
                    before = written.withLock { $0 }
                    for _ in 0..<100 { _ = try await clients.ask(.probe, at: peer, within: .seconds(5)) }
                }
                #expect(before < 20 << 20, "all \(before) bytes wait for a reader that stands")
                reader.state.withLock { $0.lets = nil }
                try await group.waitForAll()
            }
        }
        #expect(reader.seen.bytes == 20 << 20 && reader.seen.isWhole)
        var checksum: UInt64 = 0
        for number in 0..<320 {
            for _ in 0..<(64 << 10) { checksum = checksum &* 31 &+ UInt64(UInt8(truncatingIfNeeded: number)) }
        }
        #expect(reader.seen.checksum == checksum)
    }

    @Test("a reader that stands still for too long is given up by the sender, a sender by the reader")
    func stalled() async throws {
        let isCancelled = Mutex(false)
        let service = FakePeer(controlling: { request, writer in
            try await writer.head(status: 200, headers: [])
            do {
                if request.target == "/flood" {
                    while true { try await writer.part([UInt8](repeating: 0, count: 64 << 10)) }
                }
                try await Task.sleep(for: .seconds(3_600))
            } catch {
                isCancelled.withLock { $0 = true }
                throw error
            }
        })
        let short = PeerSettings.quick { $0.stallMax = .seconds(1) }
        try await talking(to: service, client: short) { clients, peer in
            _ = try await clients.ask(.probe, at: peer, within: .seconds(20))
            let error = await #expect(throws: TidegateError.self) {
                try await clients.control(Self.request, at: peer, through: Reader())
            }
            #expect(error?.code == .unknownOutcome)
            #expect(await eventually { isCancelled.withLock { $0 } })
        }
        isCancelled.withLock { $0 = false }
        try await talking(to: service, server: short) { clients, peer in
            let reader = Reader(lets: 1)
            let flood = ControlRequest(method: "GET", target: "/flood", headers: [], body: [])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let error = await #expect(throws: TidegateError.self) {
                        try await clients.control(flood, at: peer, through: reader)
                    }
                    #expect(error?.code == .unknownOutcome)
                }
                #expect(await eventually { isCancelled.withLock { $0 } })
                reader.state.withLock { $0.lets = nil }
                try await group.waitForAll()
            }
        }
    }

    @Test("an answer that breaks off is not taken for a whole one")
    func brokenOff() async throws {
        let service = FakePeer(controlling: { request, writer in
            guard request.target != "/nothing" else { return }
            try await writer.head(status: 200, headers: [])
            try await writer.part([1, 2, 3])
        })
        try await talking(to: service) { clients, peer in
            let reader = Reader()
            await #expect(throws: TidegateError.self) {
                try await clients.control(Self.request, at: peer, through: reader)
            }
            #expect(reader.seen.bytes == 3 && !reader.seen.isWhole)
            let nothing = ControlRequest(method: "GET", target: "/nothing", headers: [], body: [])
            await #expect(throws: TidegateError.self) {
                try await clients.control(nothing, at: peer, through: Reader())
            }
        }
    }

    @Test("questions are answered, and failures keep their code and words")
    func questions() async throws {
        let service = FakePeer(answering: { question in
            switch question {
            case .liveRows(let uid): .rows(Int64(uid.bits))
            case .giveBack(let account):
                throw TidegateError(TidegateError.Code(rawValue: account) ?? .internalError, "about \(account)")
            default: .done
            }
        })
        try await talking(to: service) { clients, peer in
            let answer = try await clients.ask(.liveRows(GatewayUID(bits: 12)), at: peer, within: .seconds(5))
            #expect(answer == .rows(12))
            let answer2 = try await clients.ask(.endGateway(GatewayUID(bits: 12)), at: peer, within: .seconds(5))
            #expect(answer2 == .done)
            for code in TidegateError.Code.allCases {
                let error = await #expect(throws: TidegateError.self) {
                    try await clients.ask(.giveBack(account: code.rawValue), at: peer, within: .seconds(5))
                }
                #expect(error?.code == code)
                #expect(error?.message == "about \(code.rawValue)")
            }
        }
    }

    @Test("a question without an answer ends with its time; whether it was carried out is not known")
    func deadline() async throws {
        let isCancelled = Mutex(false)
        let service = FakePeer(answering: { question in
            if case .probe = question { return .done }
            do { try await Task.sleep(for: .seconds(3_600)) } catch { isCancelled.withLock { $0 = true } }
            return .done
        })
        try await talking(to: service) { clients, peer in
            // The time is the question's, not the connection's.
            _ = try await clients.ask(.probe, at: peer, within: .seconds(20))
            let changing = await #expect(throws: TidegateError.self) {
                try await clients.ask(.endGateway(GatewayUID(bits: 1)), at: peer, within: .seconds(1))
            }
            #expect(changing?.code == .unknownOutcome)
            let harmless = await #expect(throws: TidegateError.self) {
                try await clients.ask(.liveRows(GatewayUID(bits: 1)), at: peer, within: .seconds(1))
            }
            #expect(harmless?.code == .unavailable)
            #expect(await eventually { isCancelled.withLock { $0 } }, "the work ends when nobody waits for it")
        }
    }

    @Test("calls of one peer beyond the bound are refused at once")
    func bound() async throws {
        let service = FakePeer(answering: { _ in
            try await Task.sleep(for: .seconds(3_600))
            return .done
        })
        let settings = PeerSettings.quick { $0.callsMax = 4 }
        try await talking(to: service, client: settings) { clients, peer in
            await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { _ = try await clients.ask(.probe, at: peer, within: .seconds(60)) }
                }
                #expect(await eventually { service.state.withLock { $0.questions.count } == 4 })
                let error = await #expect(throws: TidegateError.self) {
                    try await clients.ask(.probe, at: peer, within: .seconds(60))
                }
                #expect(error?.code == .unavailable)
                group.cancelAll()
            }
        }
    }
}
