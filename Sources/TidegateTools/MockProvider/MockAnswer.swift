package import NIOCore

/// One answer, ready to be written: what, how fast, and how it ends.
package struct MockAnswer: Equatable, Sendable {
    package enum Ending: Equatable, Sendable {
        case complete
        /// The connection closes when this many of `pieces` are written; of a body in one piece, half of it is.
        case cut(afterPieces: Int)
        /// Nothing is ever written.
        case stall
    }

    package var status: Int
    package var contentType: String
    package var retryAfterSeconds: Int?
    /// One piece goes out with its length; several are chunks, each flushed by itself.
    package var pieces: [ByteBuffer]
    package var isStreamed: Bool
    package var latencyMs = 0.0
    package var intervalMs = 0.0
    package var ending = Ending.complete

    package init(json: String, status: Int = 200) {
        self.status = status
        contentType = "application/json"
        pieces = [ByteBuffer(string: json)]
        isStreamed = false
    }

    package init(events: [String], contentType: String = "text/event-stream; charset=utf-8") {
        status = 200
        self.contentType = contentType
        pieces = events.map { ByteBuffer(string: $0) }
        isStreamed = true
    }

    /// All bytes of a complete answer.
    package var bytes: [UInt8] { pieces.flatMap { Array($0.readableBytesView) } }

    /// Breaks the JSON off: in a stream of one event in the middle, else of the body.
    mutating func breakJSON() {
        let index = isStreamed ? pieces.count / 2 : 0
        guard pieces.indices.contains(index) else { return }
        let half = pieces[index].readableBytes / 2
        pieces[index] = pieces[index].getSlice(at: pieces[index].readerIndex, length: half) ?? ByteBuffer()
        if isStreamed { pieces[index].writeString("\n\n") }
    }
}
