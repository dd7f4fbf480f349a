import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("Long bodies of calls", .timeLimit(.minutes(1)))
struct ProxyBodyTests {
    private static var small: DataPlaneSettings {
        var settings = DataPlaneSettings()
        settings.bodyInlineBytesMax = 1_000
        settings.bodyCaptureBytesMax = 300_000
        return settings
    }
    private static func text(_ count: Int) -> String {
        let bytes = (0..<count).map { index -> UInt8 in
            let letter = index % 23 + index / 1_000 % 3
            return UInt8(97 + letter)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
    private static func json(_ count: Int) -> String { "{\"messages\":\"\(text(count))\",\"model\":\"gpt-4o-mini\"}" }

    private static func run(
        _ settings: DataPlaneSettings = small, answer: String, status: String = "200 OK",
        _ body: (ProxyStage) async throws -> Void
    ) async throws {
        try await ProxyStage.run(
            settings, script: { peer, _, _ in peer.send(ProxyStage.answer(answer, status: status)) }, body)
    }

    @Test("what is longer than the bound goes to files, byte for byte; what is not stays with its row")
    func files() async throws {
        let answer = Self.text(200_000)
        try await Self.run(answer: answer) { stage in
            let request = Self.json(90_000)
            #expect(try await stage.ask(ProxyStage.post("/openai/x", request)).hasSuffix(answer))
            let row = try #require(await stage.capture.rows(1).first)
            let files = stage.capture.state.withLock { $0.files }
            #expect(row.requestBody == [] && row.responseBody == [])
            #expect(files[row.requestObject] == Array(request.utf8) && files[row.responseObject] == Array(answer.utf8))
            #expect(row.requestBytes == request.utf8.count && row.responseBytes == 200_000)
            #expect(row.flags.isDisjoint(with: [.requestBodyTruncated, .responseBodyTruncated]))
            #expect(stage.capture.state.withLock { $0.filesOpen } == 0)
        }
        try await Self.run(answer: Self.text(1_000)) { stage in
            _ = try await stage.ask(ProxyStage.post("/openai/x", Self.text(1_000)))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.requestBody.count == 1_000 && row.responseBody.count == 1_000)
            #expect(row.requestObject == "" && row.responseObject == "")
        }
    }

    @Test("what is longer than all that is kept is cut there and marked")
    func cut() async throws {
        let answer = Self.text(400_000)
        try await Self.run(answer: answer) { stage in
            #expect(try await stage.ask(ProxyStage.post("/openai/x")).hasSuffix(answer))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(stage.capture.state.withLock { $0.files[row.responseObject] } == Array(answer.utf8.prefix(300_000)))
            #expect(row.responseBytes == 400_000 && row.flags.contains(.responseBodyTruncated))
            #expect(!row.flags.contains(.requestBodyTruncated))
        }
    }

    @Test("no room for a file: the call goes on, and its row keeps the first bytes", arguments: [0, 50_000])
    func noRoom(bytesMax: Int) async throws {
        let answer = Self.text(200_000)
        try await Self.run(answer: answer) { stage in
            stage.capture.state.withLock { state in
                (state.takesFiles, state.fileBytesMax) = (bytesMax > 0, bytesMax)
            }
            let request = Self.json(90_000)
            #expect(try await stage.ask(ProxyStage.post("/openai/x", request)).hasSuffix(answer))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.requestBody == Array(request.utf8.prefix(1_000))[...])
            #expect(row.responseBody == Array(answer.utf8.prefix(1_000))[...])
            #expect(row.requestObject == "" && row.responseObject == "")
            #expect(row.flags.isSuperset(of: [.requestBodyTruncated, .responseBodyTruncated]))
            #expect(stage.capture.state.withLock { $0.files.isEmpty && $0.filesOpen == 0 })
        }
    }

    @Test("a row that cannot be captured, or keeps no bodies, leaves no file", arguments: [true, false])
    func noRow(fails: Bool) async throws {
        let answer = Self.text(200_000)
        try await Self.run(answer: answer) { stage in
            stage.capture.state.withLock { $0.fails = fails }
            let headers = fails ? "" : "cf-aig-collect-log-payload: false\r\n"
            let got = try await stage.ask(ProxyStage.post("/openai/x", Self.json(90_000), headers: headers))
            #expect(got.hasSuffix(answer))
            if !fails {
                let row = await stage.capture.rows(1).first
                #expect(row?.flags.contains(.bodiesOmitted) == true)
            }
            #expect(stage.capture.state.withLock { $0.files.isEmpty && $0.filesOpen == 0 })
        }
    }

    @Test("the model is found wherever the request names it, also when the answer does not", arguments: [true, false])
    func model(isFirst: Bool) async throws {
        try await Self.run(answer: "busy", status: "500 Oops") { stage in
            let text = Self.text(90_000)
            let request = isFirst ? "{\"model\":\"gpt-4o\",\"messages\":\"\(text)\"}" : Self.json(90_000)
            _ = try await stage.ask(ProxyStage.post("/openai/x", request))
            #expect(await stage.capture.rows(1).first?.model == (isFirst ? "gpt-4o" : "gpt-4o-mini"))
        }
    }

    @Test("an attempt that is made again does not add to the answer that is kept")
    func retried() async throws {
        let (first, second) = (Self.text(200_000), Self.text(150_000))
        let asked = Atomic<Int>(0)
        try await ProxyStage.run(
            Self.small,
            script: { peer, _, _ in
                peer.send(
                    asked.add(1, ordering: .relaxed).oldValue == 0
                        ? ProxyStage.answer(first, status: "500 Oops") : ProxyStage.answer(second))
            }
        ) { stage in
            let headers = "cf-aig-max-attempts: 2\r\ncf-aig-retry-delay: 1\r\n"
            #expect(try await stage.ask(ProxyStage.post("/openai/x", headers: headers)).hasSuffix(second))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(stage.capture.state.withLock { $0.files[row.responseObject] } == Array(second.utf8))
            #expect(row.responseBytes == 150_000 && stage.capture.state.withLock { $0.filesOpen } == 0)
        }
    }
}
