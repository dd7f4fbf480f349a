import Foundation
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateObjects

@Suite("Files as one zstd frame")
struct ZstandardFileTests {
    private let folder = NSTemporaryDirectory() + "tidegate-zst-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    /// Around the sizes of the pieces that are read and written: 128 KiB out, 1 MiB in.
    static let sizes = [0, 1, 131_071, 131_072, 131_073, 262_144, 1 << 20, (1 << 20) + 1, 3 << 20]

    @Test("come back as they were", arguments: sizes, [true, false])
    func roundTrip(size: Int, isRandom: Bool) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var random = SeededGenerator(seed: UInt64(size))
        let content =
            isRandom
            ? (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            : (0..<size).map { UInt8(truncatingIfNeeded: $0 / 300) }
        try Data(content).write(to: URL(fileURLWithPath: folder + "/plain"))
        let (length, crc) = try ZstandardFile.compress(folder + "/plain", into: folder + "/packed")
        let packed = try Data(contentsOf: URL(fileURLWithPath: folder + "/packed"))
        #expect(packed.count == length && CRC32C.checksum([UInt8](packed)) == crc)
        try ZstandardFile.decompress(folder + "/packed", into: folder + "/again", size: length, crc: crc)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/again")) == Data(content))
        #expect(throws: TidegateError.self) {
            try ZstandardFile.decompress(folder + "/packed", into: folder + "/again", size: length, crc: crc ^ 1)
        }
    }

    @Test("are refused when cut or damaged", arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func damage(seed: UInt64) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var random = SeededGenerator(seed: seed)
        try Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) }).write(
            to: URL(fileURLWithPath: folder + "/plain"))
        let (length, _) = try ZstandardFile.compress(folder + "/plain", into: folder + "/packed")
        var packed = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/packed")))
        if Bool.random(using: &random) {
            packed.removeLast(.random(in: 1..<length, using: &random))
        } else {
            packed[.random(in: 0..<length, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
        }
        try Data(packed).write(to: URL(fileURLWithPath: folder + "/packed"))
        let (_, crc) = (0, CRC32C.checksum(packed))  // also under a checksum that fits
        do {
            try ZstandardFile.decompress(folder + "/packed", into: folder + "/again", size: packed.count, crc: crc)
            // zstd's own frame has no checksum: damage inside may go through, but then it has other bytes at most.
            #expect(packed.count == length)
        } catch { #expect(error.code == .corrupt) }
        #expect(throws: TidegateError.self) {
            try ZstandardFile.decompress(folder + "/packed", into: folder + "/again", size: length, crc: 1)
        }
    }
}
