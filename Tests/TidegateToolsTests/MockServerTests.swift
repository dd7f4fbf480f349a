import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import TidegateTools

/// The mock over a socket: framing, endings and counters.
@Suite(.timeLimit(.minutes(1))) struct MockServerTests {
    private func withMock(
        _ behaviour: MockBehaviour = MockBehaviour(), _ test: (MockProvider) async throws -> Void
    ) async throws {
        let mock = try await MockProvider.start(behaviour: behaviour, group: MultiThreadedEventLoopGroup.singleton)
        do {
            try await test(mock)
        } catch {
            await mock.close()
            throw error
        }
        await mock.close()
    }

    private func post(_ mock: MockProvider, _ body: String, fault: String? = nil) async throws -> (Int, ByteBuffer) {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(mock.port)/v1/chat/completions")
        request.method = .POST
        request.body = .bytes(ByteBuffer(string: body))
        if let fault { request.headers.add(name: "x-mock-fault", value: fault) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        return (Int(response.status.code), try await response.body.collect(upTo: 1 << 20))
    }

    @Test("answers over a socket are the core's, byte for byte", arguments: [false, true])
    func bytes(isStreamed: Bool) async throws {
        try await withMock { mock in
            let body = MockCalls.chat(isStreamed ? ",\"stream\":true" : "")
            let expected = MockCore(behaviour: MockBehaviour())
                .answer(MockCalls.request("/v1/chat/completions", body), ordinal: 0)
            let (status, bytes) = try await post(mock, body)
            #expect(status == 200)
            #expect(Array(bytes.readableBytesView) == expected.bytes)
        }
    }

    @Test("a cut answer ends the connection before its end", arguments: [false, true])
    func cut(isStreamed: Bool) async throws {
        try await withMock { mock in
            let body = MockCalls.chat(isStreamed ? ",\"stream\":true" : "")
            await #expect(throws: (any Error).self) { _ = try await post(mock, body, fault: "cut") }
            let (status, _) = try await post(mock, body)
            #expect(status == 200)
        }
    }

    @Test("paced streams arrive whole")
    func paced() async throws {
        var behaviour = MockBehaviour()
        behaviour.latencyMs = 2
        behaviour.chunkIntervalMs = 1
        try await withMock(behaviour) { mock in
            let (_, bytes) = try await post(mock, MockCalls.chat(",\"stream\":true"))
            #expect(String(buffer: bytes).hasSuffix("data: [DONE]\n\n"))
        }
    }

    @Test("closing the mock closes a stalled call")
    func stalled() async throws {
        var behaviour = MockBehaviour()
        behaviour.stallRate = 1
        let mock = try await MockProvider.start(behaviour: behaviour, group: MultiThreadedEventLoopGroup.singleton)
        async let answer: (Int, ByteBuffer) = post(mock, MockCalls.chat())
        while try await stats(mock).int("arrived") == 0 { await Task.yield() }
        await mock.close()
        let wasAnswered: Bool
        do {
            _ = try await answer
            wasAnswered = true
        } catch {
            wasAnswered = false
        }
        #expect(!wasAnswered)
    }

    private func stats(_ mock: MockProvider) async throws -> [String: Any] {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(mock.port)/mock/stats")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        return try MockCalls.object(Data(try await response.body.collect(upTo: 4_096).readableBytesView))
    }
}
