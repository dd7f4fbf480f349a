internal import Glibc
internal import TidegateCore

/// Reads records back from segment files. Neighbouring frames come with one read.
struct SegmentReader {
    private static let extentBytesMax = 1 << 20
    /// Up to here, reading what lies between two frames is cheaper than another call.
    private static let gapBytesMax = 32 << 10

    let directory: String

    /// - Returns: the payloads from the first position on, at least one unless that one is damaged; a damaged frame ends
    ///   them. A payload shares storage with its neighbours.
    func payloads(
        of gateway: GatewayUID, stored: UInt64, at positions: [(segment: UInt64, offset: UInt32)], bytesMax: Int
    ) throws(SystemFailure) -> [ArraySlice<UInt8>] {
        var payloads: [ArraySlice<UInt8>] = []
        var total = 0
        var index = 0
        while index < positions.count {
            let segment = positions[index].segment
            let path = SegmentWriter.path(directory, segment)
            let file = try FileDescriptor(opening: path, O_RDONLY)
            while index < positions.count, positions[index].segment == segment {
                let start = Int(positions[index].offset)
                let last = lastOfExtent(positions, from: index, bytesMax: bytesMax - total)
                let length = Int(positions[last].offset) - start + Self.gapBytesMax
                let extent = try file.read(start..<(start + length), path: path)
                while index <= last {
                    let at = Int(positions[index].offset) - start
                    guard
                        let payload = try payload(gateway, stored + UInt64(index), extent, at, file, start, path)
                    else { return payloads }
                    total += payload.count
                    if total > bytesMax, !payloads.isEmpty { return payloads }
                    payloads.append(payload)
                    index += 1
                }
            }
        }
        return payloads
    }

    private func lastOfExtent(
        _ positions: [(segment: UInt64, offset: UInt32)], from index: Int, bytesMax: Int
    ) -> Int {
        let start = Int(positions[index].offset)
        let limit = min(Self.extentBytesMax, max(bytesMax, 0))
        var last = index
        while last + 1 < positions.count, positions[last + 1].segment == positions[index].segment,
            case let next = Int(positions[last + 1].offset), next - start <= limit,
            next - Int(positions[last].offset) <= Self.gapBytesMax
        {
            last += 1
        }
        return last
    }

    /// - Returns: `nil` when the frame is damaged or not the one that was asked for.
    private func payload(
        _ gateway: GatewayUID, _ sequence: UInt64, _ extent: [UInt8], _ at: Int, _ file: borrowing FileDescriptor,
        _ start: Int, _ path: String
    ) throws(SystemFailure) -> ArraySlice<UInt8>? {
        func frame(_ bytes: [UInt8], _ at: Int, whole: Bool) -> OutboxFrame? {
            guard at < bytes.count else { return nil }
            return bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
                return whole ? OutboxFrame.read(rest) : OutboxFrame(head: rest)
            }
        }
        guard let head = frame(extent, at, whole: false), head.kind == .completion, head.gateway == gateway,
            head.sequence == sequence
        else { return nil }
        if at + head.bytes <= extent.count {
            guard frame(extent, at, whole: true) != nil else { return nil }
            return extent[(at + OutboxFrame.headBytes)..<(at + head.bytes)]
        }
        let bytes = try file.read((start + at)..<(start + at + head.bytes), path: path)
        guard frame(bytes, 0, whole: true) != nil else { return nil }
        return bytes[OutboxFrame.headBytes...]
    }
}
