internal import TidegateCore

/// The files of an outbox, frame by frame, and how much of each is on the platter.
final class OutboxDisk {
    struct File {
        let number: UInt64
        var frames: [(frame: OutboxFrame, body: [UInt8])]
        /// Frames that survive a power cut.
        var synced = 0
    }

    private(set) var files: [File] = []
    private(set) var cursor: OutboxCounters?

    func open(_ number: UInt64, _ counters: OutboxCounters) {
        var frame = OutboxFrame(.segment)
        frame.sequence = number
        frame.intent = counters.nextIntent
        files.append(File(number: number, frames: [(frame, counters.encoded())]))
    }

    /// - Returns: where the frame lies.
    func append(_ frame: OutboxFrame, _ body: [UInt8]) -> UInt32 {
        files[files.count - 1].frames.append((frame, body))
        return UInt32(files[files.count - 1].frames.count - 1)
    }

    func sync(_ marks: [(number: UInt64, frames: Int)]) {
        for mark in marks {
            guard let index = files.firstIndex(where: { $0.number == mark.number }) else { continue }
            files[index].synced = max(files[index].synced, mark.frames)
        }
    }

    func replaceCursor(_ counters: OutboxCounters) { cursor = counters }
    func remove(_ number: UInt64) { files.removeAll { $0.number == number } }

    func body(_ number: UInt64, _ offset: UInt32) -> [UInt8]? {
        guard let file = files.first(where: { $0.number == number }), Int(offset) < file.frames.count else {
            return nil
        }
        return file.frames[Int(offset)].body
    }

    func copy(_ other: OutboxDisk) { (files, cursor) = (other.files, other.cursor) }
    func describe(_ world: World) -> String {
        files.map { file in
            "file \(file.number): "
                + file.frames.map { item in
                    switch item.frame.kind {
                    case .segment: "head"
                    case .intent: "i\(item.frame.id.bits)"
                    case .completion: "\(world.short(item.frame.gateway)):\(item.frame.sequence)"
                    case .abandoned: "abandoned"
                    case .cursor: "cursor"
                    }
                }.joined(separator: " ")
        }.joined(separator: "; ")
            + "; cursor \(cursor?.lanes.map { "\(world.short($0.gateway)) \($0.acknowledged)/\($0.last)" } ?? [])"
    }

    func wipe() { (files, cursor) = ([], nil) }

    /// Loses what was not synced: all of it, or a torn rest of it stays.
    func cutPower(_ world: World) {
        for index in files.indices {
            let kept = world.between(files[index].synced, files[index].frames.count)
            files[index].frames.removeLast(files[index].frames.count - kept)
        }
    }

    func setFrames(_ number: UInt64, synced frames: Int) { sync([(number, frames)]) }

    /// Whether a row that was captured can still be delivered or already was: nothing is known of rows without frames.
    func holds(_ id: RecordID) -> Bool {
        files.contains {
            $0.frames.contains { $0.frame.id == id && ($0.frame.kind == .completion || $0.frame.kind == .intent) }
        }
    }
}
