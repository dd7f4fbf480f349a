internal import NIOCore
internal import TidegateCore

/// What a row keeps of one body: its bytes while they are few, else a file that takes them as they pass. The first bytes
/// stay in memory in either case: they are what is left when the file fails.
struct CapturedBody {
    struct Bounds {
        /// Of what stays in memory and travels with the row.
        var inlineBytes: Int
        /// Of what is kept at all.
        var bytes: Int
    }

    /// From the body's start; all that is kept when there is no file.
    private(set) var bytes: [UInt8] = []
    /// Whole size, also of what was not kept.
    private(set) var total = 0
    private(set) var isTruncated = false
    private var file: (any BodyFile)?
    private var fileBytes = 0
    private var taken = 0

    /// - Parameter open: makes the file, when the body turns out long; `nil` when it cannot be had.
    mutating func append(
        _ part: ByteBuffer, _ bounds: Bounds, budget: CaptureBudget, open: () -> (any BodyFile)?
    ) {
        total += part.readableBytes
        guard !isTruncated else { return }
        var part = part
        if file == nil {
            let inlineMax = min(bounds.inlineBytes, bounds.bytes)
            let isLong = bytes.count + part.readableBytes > inlineMax && bounds.bytes > inlineMax
            keep(part, max: inlineMax, budget)
            guard isLong, let opened = open() else { return }
            file = opened
            guard write(bytes) else { return }
            part.moveReaderIndex(forwardBy: min(part.readableBytes, lastKept))
        }
        let room = bounds.bytes - fileBytes
        let rest = part.readableBytes > room
        if rest { part = part.readSlice(length: max(room, 0)) ?? ByteBuffer() }
        if part.withUnsafeReadableBytes({ write($0) }) { isTruncated = rest }
    }
    private var lastKept = 0

    private mutating func keep(_ part: ByteBuffer, max: Int, _ budget: CaptureBudget) {
        let granted = budget.take(min(part.readableBytes, max - bytes.count))
        taken += granted
        lastKept = granted
        isTruncated = granted < part.readableBytes
        if bytes.isEmpty {
            bytes = [UInt8](part.readableBytesView.prefix(granted))
        } else {
            bytes.append(contentsOf: part.readableBytesView.prefix(granted))
        }
    }

    private mutating func write(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { write($0) } }

    private mutating func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.isEmpty || file?.append(bytes) ?? false else {
            file = nil
            isTruncated = true
            return false
        }
        fileBytes += bytes.count
        isTruncated = false
        return true
    }

    /// Whether there is more of it than `bytes`.
    var isLong: Bool { total > bytes.count }

    /// Counts bytes that no row keeps.
    mutating func count(_ part: ByteBuffer) { total += part.readableBytes }

    /// All that is kept, read back from the file if need be; `nil` when that is more than `bytesMax`.
    func contents(bytesMax: Int) -> [UInt8]? { file?.contents(bytesMax: bytesMax) }

    /// Ends the file, if there is one.
    /// - Returns: what names it in the row.
    func finishFile() -> String? { file?.finish() }

    /// The row will not name the file after all.
    mutating func discardFile() {
        file?.discard()
        file = nil
    }

    mutating func release(to budget: CaptureBudget) {
        budget.giveBack(taken)
        taken = 0
        bytes = []
        file = nil
    }
}
