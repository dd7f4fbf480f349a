package import ArgumentParser
internal import Foundation
internal import NIOCore
internal import NIOPosix

/// `tidegate mock-provider`.
package struct MockProviderCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "mock-provider",
        abstract: "Answers like OpenAI, Anthropic, Gemini and Workers AI, without any model.",
        discussion: """
            One port serves chat/completions, responses, embeddings, models, messages, generateContent and @cf/… runs
            at any prefix. Point a node at it with --provider openai=http://127.0.0.1:PORT/v1 and the like.

            Tokens: a text of n bytes has ceil(n/4) of them; the input of a call is its whole body. A `nonce:WORD` in
            the prompt comes back in the answer. Which call gets which fault depends on --seed and the order of calls.
            A call can ask for its own: x-mock-fault (error, unavailable, rate-limit, stall, cut, malformed),
            x-mock-latency-ms, x-mock-chunks, x-mock-interval-ms. A key that contains `invalid` is refused.
            GET /mock/stats counts calls. Stops on SIGTERM or SIGINT.
            """)

    @Option(help: ArgumentHelp("Where to listen; port 0 picks a free one.", valueName: "host:port"))
    package var listen = "127.0.0.1:0"
    @Option(help: "Time until the first byte of an answer, as in 50ms or 1.5s.")
    package var latency = DurationArgument(milliseconds: 0)
    @Option(help: "Up to this much is added to the latency.")
    package var jitter = DurationArgument(milliseconds: 0)
    @Option(help: "Events with text in a streamed answer.")
    package var streamChunks = 20
    @Option(help: "Pause between them.")
    package var chunkInterval = DurationArgument(milliseconds: 0)
    @Option(help: "Share of calls answered 500 or 503.")
    package var errorRate = RateArgument(0)
    @Option(help: "Share of calls answered 429 with Retry-After.")
    package var rateLimitRate = RateArgument(0)
    @Option(help: "Share of calls that never get an answer.")
    package var stallRate = RateArgument(0)
    @Option(help: "Share of calls whose connection closes in the middle of the answer.")
    package var cutRate = RateArgument(0)
    @Option(help: "Share of calls answered 200 with JSON that breaks off.")
    package var malformedRate = RateArgument(0)
    @Flag(help: "Answer 401 to calls without a key.")
    package var requireKey = false
    @Option(help: "Chooses faults, jitter and words.")
    package var seed: UInt64 = 1
    @Option(help: "Event loops.")
    package var threads = 1

    package init() {}

    package func validate() throws {
        _ = try address()
        guard behaviour.faultShare <= 1 else { throw ValidationError("The fault rates add up to more than 1.") }
        guard (1...100_000).contains(streamChunks) else {
            throw ValidationError("--stream-chunks must be between 1 and 100000.")
        }
        guard (1...64).contains(threads) else { throw ValidationError("--threads must be between 1 and 64.") }
    }

    package func run() async throws {
        let (host, port) = try address()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let provider: MockProvider
        do {
            provider = try await MockProvider.start(host: host, port: port, behaviour: behaviour, group: group)
        } catch {
            FileHandle.standardError.write(
                Data("mock-provider cannot listen on \(listen): \(error). Choose another --listen.\n".utf8))
            throw ExitCode(69)
        }
        let shown = host.contains(":") ? "[\(host)]" : host
        FileHandle.standardOutput.write(Data("mock-provider ready url=http://\(shown):\(provider.port)\n".utf8))
        await TerminationSignal.first()
        await provider.close()
        try await group.shutdownGracefully()
    }

    package var behaviour: MockBehaviour {
        var behaviour = MockBehaviour()
        behaviour.latencyMs = latency.milliseconds
        behaviour.jitterMs = jitter.milliseconds
        behaviour.streamChunks = streamChunks
        behaviour.chunkIntervalMs = chunkInterval.milliseconds
        behaviour.errorRate = errorRate.share
        behaviour.rateLimitRate = rateLimitRate.share
        behaviour.stallRate = stallRate.share
        behaviour.cutRate = cutRate.share
        behaviour.malformedRate = malformedRate.share
        behaviour.requiresKey = requireKey
        behaviour.seed = seed
        return behaviour
    }

    private func address() throws -> (host: String, port: Int) {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]),
            colon > listen.startIndex
        else { throw ValidationError("--listen must be HOST:PORT, as in 127.0.0.1:9000.") }
        let host = listen[..<colon]
        return (host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host), Int(port))
    }
}
