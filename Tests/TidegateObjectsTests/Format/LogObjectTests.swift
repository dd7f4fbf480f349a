import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateObjects

@Suite("Log objects")
struct LogObjectTests {
    private static let slot = SlotID(region: "r1", index: 3)

    private func sections(_ random: inout SeededGenerator) -> [(gateway: GatewayUID, entries: [GatewayEntry])] {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
            let entries = (0..<Int.random(in: 0...8, using: &random)).map { _ in entry(&random) }
            return (GatewayUID(random: &random), entries)
        }
    }

    private func entry(_ random: inout SeededGenerator) -> GatewayEntry {
        let stream = StreamID(random: &random)
        let id = RecordID(random: &random)
        let number = random.next()
        return switch Int.random(in: 0..<10, using: &random) {
        case 0:
            .record(
                stream: stream, sequence: number, id: id, receivedAtMs: Int64(truncatingIfNeeded: number),
                payload: random.bytes(Int(number % 300))[...])
        case 1: .skip(stream: stream, sequence: number, id: id, reason: number % 2 == 0 ? .quota : .invalid)
        case 2:
            .edit(
                id: id, patch: LogPatch(feedback: .some(nil), score: number % 2 == 0 ? .some(7) : nil, metadata: "ü"),
                atMs: 5)
        case 3: .delete(lsns: [number, 1])
        case 4: .evict(through: number)
        case 5: .sealed(segment(number))
        case 6: .compacted(replaced: ["1/seg/a/1-1", "b"], by: number % 2 == 0 ? [] : [segment(number), segment(1)])
        case 7: .editRow(lsn: number, patch: LogPatch(score: .some(nil)))
        case 8: .collected(through: number)
        default: .gatewayDeleted
        }
    }

    private func segment(_ number: UInt64) -> SegmentDescription {
        var segment = SegmentDescription(key: "1/seg/\(number)/3-4", asOf: number)
        segment.crc = UInt32(truncatingIfNeeded: number)
        (segment.storedBytes, segment.fileBytes, segment.packBytes) = (number, number / 3, 7)
        segment.packKey = number % 2 == 0 ? "" : CoordinationKeys.pack(of: segment.key)
        segment.runs = [1, 2, 3]
        segment.zone = Array(repeating: 9, count: Int(number % 200))
        segment.bodyObjects = number % 3 == 0 ? ["x", ""] : []
        return segment
    }

    private func freeze(_ random: inout SeededGenerator) throws -> LogObjectWriter.Frozen {
        try LogObjectWriter.freeze(
            slot: Self.slot, epoch: 7, n: 9, previousCRC: 11, sections: sections(&random))
    }

    @Test("come back as they were frozen", arguments: UInt64(0)..<200)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sections = sections(&random)
        let frozen = try LogObjectWriter.freeze(
            slot: Self.slot, epoch: 7, n: 9, previousCRC: 11, sections: sections)
        let object = try LogObject(decoding: frozen.bytes)
        #expect(object.slot == Self.slot && object.epoch == 7 && object.n == 9 && object.previousCRC == 11)
        #expect(object.crc == frozen.crc)
        #expect(object.sections.map(\.gateway) == sections.map(\.gateway))
        #expect(object.sections.map { $0.entries.map(\.entry) } == sections.map(\.entries))
        let indices = object.sections.flatMap { $0.entries.map(\.lsn.index) }
        #expect(indices == Array(0..<indices.count))
    }

    @Test("are refused when damaged, cut or made up; also under a checksum that fits", arguments: UInt64(0)..<300)
    func damage(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bytes = try freeze(&random).bytes
        var flipped = bytes
        flipped[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        let cut = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
        let madeUp = random.bytes(Int.random(in: 0..<200, using: &random))
        for candidate in [flipped, cut, madeUp] {
            let error = #expect(throws: TidegateError.self) { try LogObject(decoding: candidate) }
            #expect(error?.code == .corrupt)
        }
        // Whatever it holds: an answer or `.corrupt`, never a trap.
        for candidate in [flipped.dropLast(4), cut.dropLast(0), madeUp.dropLast(0)] {
            var writer = ByteWriter()
            writer.raw(candidate)
            writer.fixed(CRC32C.checksum(candidate))
            do throws(TidegateError) { _ = try LogObject(decoding: writer.finish()) } catch {
                #expect(error.code == .corrupt)
            }
        }
    }
}
