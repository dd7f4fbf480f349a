import ArgumentParser
import Foundation
import TidegateCore

/// How a command says what went wrong, and its exit code: EX_CONFIG of sysexits.h for what the operator can mend by other
/// settings, else a plain failure.
enum CommandFailure {
    static func reporting(mendable: Set<TidegateError.Code>, _ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch let error as TidegateError {
            FileHandle.standardError.write(Data("tidegate: \(error.message)\n".utf8))
            if let cause = error.cause { FileHandle.standardError.write(Data("  because: \(cause)\n".utf8)) }
            throw ExitCode(mendable.contains(error.code) ? 78 : 1)
        }
    }
}
