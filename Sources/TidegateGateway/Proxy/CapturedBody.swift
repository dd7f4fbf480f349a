internal import NIOCore

/// The bytes of one body that its row keeps, within the row's bound and the loop's budget.
struct CapturedBody {
    private(set) var bytes: [UInt8] = []
    /// Whole size, also of what was not kept.
    private(set) var total = 0
    private(set) var isTruncated = false
    private var taken = 0

    mutating func append(_ part: ByteBuffer, max: Int, budget: CaptureBudget) {
        total += part.readableBytes
        guard !isTruncated else { return }
        let granted = budget.take(min(part.readableBytes, max - bytes.count))
        taken += granted
        isTruncated = granted < part.readableBytes
        if bytes.isEmpty {
            bytes = [UInt8](part.readableBytesView.prefix(granted))
        } else {
            bytes.append(contentsOf: part.readableBytesView.prefix(granted))
        }
    }

    /// Counts bytes that no row keeps.
    mutating func count(_ part: ByteBuffer) { total += part.readableBytes }

    mutating func release(to budget: CaptureBudget) {
        budget.giveBack(taken)
        taken = 0
        bytes = []
    }
}
