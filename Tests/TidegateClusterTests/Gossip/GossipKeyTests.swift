import Foundation
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateCluster

@Suite("Gossip keys")
struct GossipKeyTests {
    private static let bytes: [UInt8] = {
        var random = SeededGenerator(seed: 1)
        return random.bytes(32)
    }()

    private func message(_ text: String) -> String? {
        do throws(TidegateError) {
            _ = try GossipKeyRing(text: text)
            return nil
        } catch { return error.message }
    }

    @Test("hexadecimal digits and the forms of base64 are the same key")
    func forms() throws {
        let base64 = Data(Self.bytes).base64EncodedString()
        let url = base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        let hex = Hexadecimal.text(Self.bytes)
        let ids = try [hex, hex.uppercased(), base64, url].map { try GossipKey(text: $0).id }
        #expect(Set(ids).count == 1)
        #expect(try GossipKey(bytes: Self.bytes).id == ids[0])
    }

    @Test("a file has a key a line, comments and empty lines; the first key seals")
    func file() throws {
        var random = SeededGenerator(seed: 2)
        let other = Data(random.bytes(32)).base64EncodedString()
        let text = "# made in May\r\n\r\n  \(Hexadecimal.text(Self.bytes))  # the new one\r\n\(other)\n"
        let path = NSTemporaryDirectory() + "gossip-keys-\(UUID())"
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let ring = try GossipKeyRing(file: path)
        #expect(ring.keys.count == 2)
        #expect(ring.sealing.id == (try GossipKey(bytes: Self.bytes).id))
        #expect(throws: TidegateError.self) { try GossipKeyRing(file: path + "-none") }
    }

    @Test("an error names the line and shows no key")
    func errors() throws {
        let hex = Hexadecimal.text(Self.bytes)
        let short = String(hex.dropLast(2))
        for (text, line) in [("\n\n\(short)", 3), ("#\n\(hex) \(hex)", 2), ("secret?!", 1), ("c2hvcnQ=", 1)] {
            let told = try #require(message(text))
            #expect(told.contains("Line \(line) "))
            #expect(!told.contains(short) && !told.contains("secret") && !told.contains("c2hvcnQ"))
        }
        #expect(message("# nothing here\n") != nil)
        #expect(message("\(hex)\n\(hex)") == "A gossip key is listed twice.")
        var random = SeededGenerator(seed: 3)
        let many = (0...GossipKeyRing.keysMax).map { _ in Hexadecimal.text(random.bytes(32)) }
        #expect(message(many.joined(separator: "\n")) != nil)
        #expect(!"\(try GossipKey(bytes: Self.bytes))".contains(hex.prefix(16)))
    }
}
