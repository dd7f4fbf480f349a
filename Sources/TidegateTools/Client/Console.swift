internal import Foundation

/// Standard streams of the commands: results to stdout, everything else to stderr.
enum Console {
    static func out(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", to: .standardOutput) }
    static func raw(_ bytes: Data) { try? FileHandle.standardOutput.write(contentsOf: bytes) }
    static func error(_ text: String) { write("tidegate: \(text)\n", to: .standardError) }

    /// A reader that closed its end (`| head`) is not an error of ours.
    private static func write(_ text: String, to handle: FileHandle) { try? handle.write(contentsOf: Data(text.utf8)) }
}
