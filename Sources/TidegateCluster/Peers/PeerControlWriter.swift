internal import CoreMetrics
internal import GRPCCore
internal import Synchronization
internal import TidegateCore
internal import TidegateWire

/// An answer to a control request, written to the node that asked. Each call returns when there is room for the next.
struct PeerControlWriter: ControlResponseWriter {
    private let writer: RPCWriter<Tidegate_Peer_ControlAnswer>
    private let watch: StallWatch
    private let partBytes: Int
    private let ended = Flag()

    init(_ writer: RPCWriter<Tidegate_Peer_ControlAnswer>, watch: StallWatch, partBytes: Int) {
        self.writer = writer
        self.watch = watch
        self.partBytes = partBytes
    }

    var isWhole: Bool { ended.isSet }

    func head(status: Int, headers: [(name: String, value: String)]) async throws {
        try await write(.head(status: status, headers: headers))
    }

    func part(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            try await write(.part(Array(rest.prefix(partBytes))))
            rest = rest.dropFirst(partBytes)
        }
    }

    func end() async throws {
        try await write(.end)
        ended.set()
    }

    private func write(_ piece: ControlPiece) async throws {
        try await watch.waiting { try await writer.write(piece.wire) }
    }
}

/// Is set once, by one side, and read by another.
final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
