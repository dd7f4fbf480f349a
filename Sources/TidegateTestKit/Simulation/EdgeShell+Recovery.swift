internal import TidegateCore

/// Reading the files back after a crash, as the real outbox does.
extension EdgeShell {
    func recover() {
        var recovery = OutboxRecovery()
        let disk = node.disk
        let fresh = StreamID(random: &world.random)
        if let counters = disk.cursor { recovery.cursor(counters) }
        world.note("edge \(node.index) reads \(disk.describe(world))")
        var isNewestTrusted = true
        let count = disk.files.count
        for (index, file) in disk.files.enumerated() {
            let isNewest = index == count - 1
            if file.frames.isEmpty {
                if isNewest {  // the last process ended while it made this file
                    disk.remove(file.number)
                    isNewestTrusted = count > 1
                } else {
                    recovery.begin(file.number, bytes: 0, counters: nil)
                }
                continue
            }
            for (offset, (frame, body)) in file.frames.enumerated() {
                if offset == 0, frame.kind == .segment {
                    recovery.begin(
                        file.number, bytes: file.frames.count, counters: try? OutboxCounters(encoded: body[...]))
                } else {
                    recovery.add(frame, body: body[...], segment: file.number, offset: offset)
                }
            }
            number = max(number, file.number)
            // What the last process wrote and did not sync is delivered soon: it must survive a power cut first.
            disk.setFrames(file.number, synced: file.frames.count)
        }
        let (core, openIntents, _) = recovery.finish(limits: Self.limits, stream: fresh)
        outbox = core
        if !isNewestTrusted { outbox.mint(fresh) }
        startFile()
        if !openIntents.isEmpty { world.cover(.abortedRow) }
        for intent in openIntents { complete(intent.ticket) }
    }
}
