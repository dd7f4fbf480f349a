internal import Foundation
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import TidegateCluster
internal import TidegateCore
internal import TidegateEngines

/// Measures what a row costs on its way between two nodes: this process is the sender, a child of it the receiver. Neither
/// commits anything: the receiver answers *committed* a while later, as a slot that commits batches would.
package struct PeerBenchmark: Codable, Sendable {
    package struct Figures: Codable, Sendable {
        package var rowsPerSecondAsked: Int?
        package var rows: Int
        package var rowBytes: Int
        package var gateways: Int
        package var isEncrypted: Bool
        package var seconds: Double
        package var rowsPerSecond: Double
        package var batches: Int
        /// User and system time of the process, by rows.
        package var senderMicrosecondsPerRow: Double
        package var receiverMicrosecondsPerRow: Double
        package var notCommitted: Int
    }

    /// `nil`: as fast as verdicts allow.
    package var rowsPerSecond: Int?
    package var rows: Int
    package var rowBytes: Int
    package var gateways: Int
    package var isEncrypted: Bool
    /// After how long a batch is decided.
    package var commitMilliseconds: Int
    /// Pause between looks at the outbox, as the drain makes it.
    private var linger: Int { 5 }

    package init(
        rowsPerSecond: Int?, rows: Int, rowBytes: Int, gateways: Int, isEncrypted: Bool, commitMilliseconds: Int
    ) {
        self.rowsPerSecond = rowsPerSecond
        self.rows = rows
        self.rowBytes = rowBytes
        self.gateways = gateways
        self.isEncrypted = isEncrypted
        self.commitMilliseconds = commitMilliseconds
    }

    package static let receiverCommand = "peers-receiver"

    /// What the child is told on its standard input.
    private struct Orders: Codable {
        var caPEM = ""
        var certificatePEM = ""
        var keyPEM = ""
        var commitMilliseconds = 0
        var security: PeerSecurity {
            guard !caPEM.isEmpty else { return .plaintext }
            return .mutual(
                caPEM: Array(caPEM.utf8), certificatePEM: Array(certificatePEM.utf8), keyPEM: Array(keyPEM.utf8))
        }
    }
    private struct Report: Codable {
        var port = 0
        var cpuSeconds = 0.0
        var rows = 0
    }

    /// Starts the receiver, sends, and asks both how much time they took.
    package func run() async throws -> Figures {
        var (sending, receiving) = (Orders(), Orders(commitMilliseconds: commitMilliseconds))
        if isEncrypted {
            let now = Date(timeIntervalSinceNow: 0)
            let validity = now.addingTimeInterval(-60)..<now.addingTimeInterval(86_400)
            let authority = try ClusterAuthority(making: "measure", validity: validity)
            for (node, path) in [("n1", 0), ("n2", 1)] {
                let pair = try authority.issue(node: node, hosts: [], validity: validity)
                let orders = Orders(
                    caPEM: authority.pem.certificatePEM, certificatePEM: pair.certificatePEM, keyPEM: pair.keyPEM,
                    commitMilliseconds: commitMilliseconds)
                if path == 0 { sending = orders } else { receiving = orders }
            }
        }
        let (input, output) = (Pipe(), Pipe())
        let child = try ChildProcess(
            ["/proc/self/exe", "measure", Self.receiverCommand], input: input.fileHandleForReading.fileDescriptor,
            output: output.fileHandleForWriting.fileDescriptor, errors: 2)
        try output.fileHandleForWriting.close()
        try input.fileHandleForReading.close()
        try input.fileHandleForWriting.write(contentsOf: try JSONEncoder().encode(receiving) + Data("\n".utf8))
        let lines = Lines(output.fileHandleForReading)
        let port = try JSONDecoder().decode(Report.self, from: try lines.next()).port

        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clients = try PeerClients(
            node: "n1", security: sending.security, threads: threads, logger: Logger(label: "measure"))
        let peer = PeerAddress(node: "n2", host: "127.0.0.1", port: port)
        let figures = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await clients.run() }
            defer { group.cancelAll() }
            return try await send(through: clients, to: peer) {
                try input.fileHandleForWriting.close()
                return try JSONDecoder().decode(Report.self, from: try lines.next())
            }
        }
        child.wait()
        try await threads.shutdownGracefully()
        return figures
    }

    private func send(
        through clients: PeerClients, to peer: PeerAddress, finish: () throws -> Report
    ) async throws -> Figures {
        _ = try await clients.ask(.probe, at: peer, within: .seconds(10))
        let sender = Sender(clients, peer, self)
        let (clock, cpu) = (ContinuousClock(), SlotBenchmark.cpuSeconds())
        let begin = clock.now
        while sender.handedOver < rows {
            // Open loop: what is due by now, whatever has been answered. Without a rate: a bounded number under way.
            let due = rowsPerSecond.map { Int(begin.duration(to: clock.now) / .seconds(1) * Double($0)) }
            sender.handOver(upTo: min(due ?? sender.answered + 20_000, rows))
            try await Task.sleep(for: .milliseconds(linger))
        }
        while sender.answered < rows { try await Task.sleep(for: .milliseconds(1)) }
        let seconds = begin.duration(to: clock.now) / .seconds(1)
        let spent = SlotBenchmark.cpuSeconds() - cpu
        let receiver = try finish()
        guard receiver.rows == rows else {
            throw TidegateError(.internalError, "\(rows) rows were sent, \(receiver.rows) arrived")
        }
        return Figures(
            rowsPerSecondAsked: rowsPerSecond, rows: rows, rowBytes: rowBytes, gateways: gateways,
            isEncrypted: isEncrypted, seconds: seconds, rowsPerSecond: Double(rows) / seconds,
            batches: sender.batches, senderMicrosecondsPerRow: spent / Double(rows) * 1e6,
            receiverMicrosecondsPerRow: receiver.cpuSeconds / Double(rows) * 1e6, notCommitted: sender.notCommitted)
    }

    /// The child's part: serves until its standard input ends.
    package static func receive() async throws {
        let lines = Lines(.standardInput)
        let orders = try JSONDecoder().decode(Orders.self, from: try lines.next())
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let owner = SlowOwner(.milliseconds(orders.commitMilliseconds))
        let server = try PeerServer(
            node: "n2", host: "127.0.0.1", port: 0, security: orders.security, service: owner, threads: threads,
            logger: Logger(label: "measure"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await owner.run() }
            defer { group.cancelAll() }
            try say(Report(port: try await server.listeningPort()))
            await owner.firstQuestion()
            let cpu = SlotBenchmark.cpuSeconds()
            await lines.end()
            try say(Report(cpuSeconds: SlotBenchmark.cpuSeconds() - cpu, rows: owner.rows))
        }
        try await threads.shutdownGracefully()
    }

    private static func say(_ report: Report) throws {
        FileHandle.standardOutput.write(try JSONEncoder().encode(report) + Data("\n".utf8))
    }
}

/// Hands rows over as the drain would: a batch a gateway and look.
private final class Sender: Sendable {
    private struct State {
        var answered = 0
        var notCommitted = 0
        var handedOver = 0
        var batches = 0
        var next: [UInt64]
    }
    private let clients: PeerClients
    private let peer: PeerAddress
    private let row: ArraySlice<UInt8>
    private let state: Mutex<State>

    init(_ clients: PeerClients, _ peer: PeerAddress, _ settings: PeerBenchmark) {
        self.clients = clients
        self.peer = peer
        row = (0..<settings.rowBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }[...]
        state = Mutex(State(next: Array(repeating: 1, count: settings.gateways)))
    }

    var answered: Int { state.withLock { $0.answered } }
    var notCommitted: Int { state.withLock { $0.notCommitted } }
    var handedOver: Int { state.withLock { $0.handedOver } }
    var batches: Int { state.withLock { $0.batches } }

    func handOver(upTo target: Int) {
        let batches = state.withLock { state in
            let count = target - state.handedOver
            guard count > 0 else { return [DeliveryBatch]() }
            let gateways = state.next.count
            let batches = (0..<min(gateways, count)).flatMap { gateway in
                let share = count / gateways + (gateway < count % gateways ? 1 : 0)
                return stride(from: 0, to: share, by: 1_000).map { done in
                    let size = min(1_000, share - done)
                    defer { state.next[gateway] += UInt64(size) }
                    return DeliveryBatch(
                        stream: StreamID(bits: 1), gateway: GatewayUID(bits: UInt128(gateway)),
                        firstSequence: state.next[gateway], records: Array(repeating: row, count: size),
                        resolvedBelow: 0)
                }
            }
            state.handedOver = target
            state.batches += batches.count
            return batches
        }
        for batch in batches {
            clients.submit(batch, to: peer, relay: nil) { [self] verdicts in
                state.withLock { state in
                    state.answered += verdicts.count
                    state.notCommitted += verdicts.count { $0 != .committed }
                }
            }
        }
    }
}

/// Answers *committed* to all that came, every while.
private final class SlowOwner: PeerService {
    private struct State {
        var rows = 0
        var waiting: [(count: Int, reply: @Sendable ([RecordVerdict]) -> Void)] = []
    }
    private let state = Mutex(State())
    private let pause: Duration
    private let (asked, ask) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))

    init(_ pause: Duration) { self.pause = pause }

    var rows: Int { state.withLock { $0.rows } }
    func firstQuestion() async { for await _ in asked { return } }

    func submit(_ batch: DeliveryBatch, relay: PeerAddress?, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        state.withLock { state in
            state.rows += batch.records.count
            state.waiting.append((batch.records.count, reply))
        }
    }
    func control(_ request: ControlRequest, through writer: any ControlResponseWriter) async {}
    func answer(_ question: PeerQuestion) async throws -> PeerAnswer {
        ask.yield()
        return .done
    }

    func run() async throws {
        while true {
            try await Task.sleep(for: pause)
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for (count, reply) in waiting { reply(Array(repeating: .committed, count: count)) }
        }
    }
}

/// Lines of a pipe, read on a thread that may block.
private final class Lines: Sendable {
    private let file: FileHandle
    init(_ file: FileHandle) { self.file = file }

    func next() throws -> Data {
        var line = Data()
        while let byte = try file.read(upToCount: 1), let first = byte.first {
            if first == UInt8(ascii: "\n") { return line }
            line.append(first)
        }
        throw TidegateError(.unavailable, "the other process has ended")
    }

    func end() async {
        await withCheckedContinuation { continuation in
            Thread { [file] in
                _ = try? file.readToEnd()
                continuation.resume()
            }.start()
        }
    }
}
