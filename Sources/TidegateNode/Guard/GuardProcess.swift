internal import Foundation
internal import Glibc
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// Runs trials in children of this process: `tidegate try-entries`, which nobody else calls.
struct GuardProcess: EntryGuard {
    package static let command = "try-entries"
    /// More than so many in one object, and it is not single entries that are to blame.
    private static let poisonMax = 64
    private static let trialMax = Duration.seconds(60)

    func poison(in object: [UInt8]) async throws(TidegateError) -> Set<LSN> {
        var found: Set<LSN> = []
        while found.count < Self.poisonMax {
            let known = found
            let last = try await withThread { () throws(TidegateError) in try Self.trial(object, skipping: known) }
            if last == EntryTrial.end { return found }
            guard let last else { throw TidegateError(.internalError, "A trial of log entries did not begin.") }
            found.insert(LSN(rawValue: last))
        }
        throw TidegateError(.corrupt, "More than \(Self.poisonMax) entries of a log object end whoever applies them.")
    }

    /// - Returns: the last place that the child said; `nil` when it said none.
    private static func trial(_ object: [UInt8], skipping known: Set<LSN>) throws(TidegateError) -> UInt64? {
        var (input, output): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&input) == 0, pipe(&output) == 0 else {
            throw TidegateError(.unavailable, "No pipe is to be had.")
        }
        let child: ChildProcess
        do throws(TidegateError) {
            let skipped = known.map { String($0.rawValue) }
            child = try ChildProcess(
                ["/proc/self/exe", command] + skipped, input: input[0], output: output[1], errors: 2)
        } catch {
            for end in input + output { close(end) }
            throw error
        }
        close(input[0])
        close(output[1])
        // A child that is stuck is ended, and its entry with it.
        let deadline = Thread.after(trialMax) { child.send(SIGKILL) }
        defer {
            deadline.cancel()
            close(output[0])
            child.wait()
        }
        let sink = FileHandle(fileDescriptor: input[1], closeOnDealloc: true)
        try? sink.write(contentsOf: Data(object))  // a child that is gone already said why
        try? sink.close()
        var said: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = read(output[0], &buffer, buffer.count)
            if count > 0 { said += buffer[..<count] } else if count == 0 || errno != EINTR { break }
        }
        guard said.count >= 8 else { return nil }
        let whole = said.count / 8 * 8
        return said[(whole - 8)..<whole].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Waiting for a child blocks: not on the threads that tasks share.
    private func withThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(TidegateError) -> Value
    ) async throws(TidegateError) -> Value {
        let result: Result<Value, TidegateError> = await withCheckedContinuation { continuation in
            let thread = Thread {
                do throws(TidegateError) { continuation.resume(returning: .success(try body())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            thread.start()
        }
        return try result.get()
    }
}

extension Thread {
    /// Calls `body` after a while, unless cancelled before.
    fileprivate static func after(_ time: Duration, _ body: @escaping @Sendable () -> Void) -> Thread {
        let thread = Thread {
            let ticks = Int(time / .milliseconds(100))
            for _ in 0..<ticks {
                usleep(100_000)
                if Thread.current.isCancelled { return }
            }
            body()
        }
        thread.start()
        return thread
    }
}

/// The child's side of `GuardProcess`.
package enum GuardTrial {
    package static let command = GuardProcess.command

    /// Reads one log object from standard input; says places on standard output.
    package static func run(skipping places: [String]) throws {
        try FaultInjection.install()
        let bytes = [UInt8](FileHandle.standardInput.readDataToEndOfFile())
        try EntryTrial(skipping: Set(places.compactMap { UInt64($0) })).run(bytes) { place in
            let said = withUnsafeBytes(of: place.littleEndian) { Array($0) }
            guard write(1, said, said.count) == said.count else {
                throw TidegateError(.unavailable, "Nobody listens to the trial.")
            }
        }
    }
}
