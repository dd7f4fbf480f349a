import Testing
import TidegateCore

@Suite("Manifests of snapshots")
struct SnapshotManifestTests {
    private func decoded(_ bytes: [UInt8], n: LogIndex) throws -> SnapshotManifest {
        try SnapshotManifest(
            decoding: bytes,
            of: SnapshotPointer(manifest: "1/snap/r1/0/1/7-x", n: n, crc: CRC32C.checksum(bytes), size: bytes.count))
    }

    @Test("one that a build before the list of ended gateways wrote is read, without any")
    func earlier() throws {
        let json = #"{"epoch":3,"gateways":[],"holes":[4],"logCRC":9,"n":7,"slot":"r1/0"}"#
        let manifest = try decoded(Array(json.utf8), n: 7)
        #expect(manifest.ended.isEmpty)
        #expect((manifest.slot, manifest.epoch, manifest.holes, manifest.logCRC) == ("r1/0", 3, [4], 9))
    }

    @Test("what is written is read back whole")
    func roundTrip() throws {
        let manifest = SnapshotManifest(
            slot: "r1/0", epoch: 3, n: 7, logCRC: 9, holes: [4],
            gateways: [.init(uid: GatewayUID(bits: 1).description, key: "k", crc: 1, size: 2, appliedN: 6)],
            ended: [.init(uid: GatewayUID(bits: 2).description, n: 5)])
        #expect(try decoded(manifest.encoded(), n: 7) == manifest)
    }
}
