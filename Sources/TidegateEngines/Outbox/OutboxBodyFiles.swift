internal import Glibc
internal import TidegateCore

/// The directory of bodies that are too long for their rows. A file's name says whose body it is, so that a restart finds
/// it: the stream's first name, the intent's number, and which body.
struct OutboxBodyFiles: Sendable {
    let directory: String
    let stream: String

    private func name(_ intent: UInt64, _ part: BodyPart) -> String { "\(stream).\(intent).\(part.rawValue)" }
    func path(_ intent: UInt64, _ part: BodyPart) -> String { "\(directory)/\(name(intent, part))" }

    /// Makes the directory, and removes what belongs to no row: its call was never completed, or its row is delivered.
    /// - Returns: how many.
    func open(keeping files: [(intent: UInt64, part: BodyPart)]) throws(SystemFailure) -> Int {
        try Directories.create(directory)
        let kept = Set(files.map { name($0.intent, $0.part) })
        let gone = try Directories.names(in: directory).filter { !$0.isDirectory && !kept.contains($0.name) }
        for (name, _) in gone { try Directories.remove("\(directory)/\(name)") }
        return gone.count
    }

    func sync(_ paths: [String]) throws(SystemFailure) {
        if paths.isEmpty { return }
        for path in paths { try FileDescriptor(opening: path, O_WRONLY).sync(path: path) }
        try Directories.sync(directory)
    }

    /// What cannot be removed now is at the next start.
    func remove(_ row: OutboxBodies) {
        for body in row.bodies { try? Directories.remove(path(row.intent, body.part)) }
    }
}

/// A body's file while its call runs. Its bytes count among the outbox's before they are written.
final class OutboxBodyWriter: BodyFile {
    private final class Open {
        let file: FileDescriptor
        init(_ path: String) throws(SystemFailure) {
            file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND)
        }
    }

    private let outbox: Outbox
    private let ticket: CaptureTicket
    private let path: String
    private var open: Open?
    private var bytes = 0
    private var isFinished = false

    init(_ outbox: Outbox, _ ticket: CaptureTicket, _ path: String) throws(SystemFailure) {
        (self.outbox, self.ticket, self.path) = (outbox, ticket, path)
        open = try Open(path)
    }

    deinit { if !isFinished { discard() } }

    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let open, outbox.reserveBody(bytes.count, for: ticket) else {
            discard()
            return false
        }
        self.bytes += bytes.count
        do throws(SystemFailure) {
            if case let code? = outbox.settings.bodyFault?(), code != 0 {
                throw SystemFailure("write", path, code: code)
            }
            try open.file.write(bytes, path: path)
        } catch {
            outbox.bodyFailed(error)
            discard()
            return false
        }
        return true
    }

    func contents(bytesMax: Int) -> [UInt8]? {
        guard let open, bytes <= bytesMax else { return nil }
        return try? open.file.read(0..<bytes, path: path)
    }

    func finish() -> String {
        isFinished = true
        open = nil
        return BodyMark.text(bytes: bytes)
    }

    func discard() {
        isFinished = true
        open = nil
        try? Directories.remove(path)
        outbox.releaseBody(bytes)
        bytes = 0
    }
}
