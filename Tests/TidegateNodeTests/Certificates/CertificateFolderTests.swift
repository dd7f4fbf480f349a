import Foundation
import Testing
import TidegateCluster
import TidegateCore
import TidegateNode

@Suite("An operator's folder of certificates")
struct CertificateFolderTests {
    private let path = FileManager.default.temporaryDirectory.appending(path: "tidegate-certs-\(UUID())").path()
    private var folder: CertificateFolder { CertificateFolder(path) }

    private func validity(days: Double = 30) -> Range<Date> {
        Date(timeIntervalSinceNow: -60)..<Date(timeIntervalSinceNow: days * 86_400)
    }

    private func made(days: Double = 300, replaces: Bool = false) throws -> CertificateFolder.Made {
        try folder.makeAuthority(
            name: "ours", validity: validity(days: days), gossipKey: [UInt8](0..<32), replaces: replaces)
    }

    private func bytes(_ file: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: file))) }

    private func mode(_ file: String) throws -> Int {
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
        return mode?.intValue ?? -1
    }

    @Test("what it issues lets the nodes that it names talk, and no others; keys are their owner's alone")
    func issuing() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let authority = try made()
        #expect(authority.files.count == 3)
        for node in ["n1", "N_2"] {
            let issued = try folder.issue(
                node: node, hosts: ["node.example"], validity: validity(), isExact: true,
                replaces: false)
            #expect(issued.files == [folder.certificate(of: node), folder.key(of: node)])
            let security = PeerSecurity.mutual(
                caPEM: try bytes(folder.authorityCertificate), certificatePEM: try bytes(issued.files[0]),
                keyPEM: try bytes(issued.files[1]))
            try security.check(node: node)
            #expect(throws: TidegateError.self) { try security.check(node: "n3") }
            #expect(try mode(folder.key(of: node)) == 0o600)
        }
        #expect(try mode(folder.authorityKey) == 0o600)
        #expect(try mode(folder.gossipKeys) == 0o600)
        #expect(try mode(path) == 0o700)
        let lines = try String(contentsOfFile: folder.gossipKeys, encoding: .utf8).split(separator: "\n")
        let secret = try #require(lines.first { !$0.hasPrefix("#") })
        #expect(Data(base64Encoded: String(secret)) == Data(0..<32))
    }

    @Test("nothing is replaced unless asked to; then all of it is")
    func replacing() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try made()
        let (before, key) = (try bytes(folder.authorityCertificate), try bytes(folder.authorityKey))
        let error = #expect(throws: TidegateError.self) { try made() }
        #expect(error?.code == .conflict)
        #expect(try bytes(folder.authorityCertificate) == before && bytes(folder.authorityKey) == key)
        _ = try folder.issue(node: "n1", hosts: [], validity: validity(), isExact: true, replaces: false)
        let issued = try bytes(folder.certificate(of: "n1"))
        #expect(throws: TidegateError.self) {
            try folder.issue(node: "n1", hosts: [], validity: validity(), isExact: true, replaces: false)
        }
        #expect(try bytes(folder.certificate(of: "n1")) == issued)
        _ = try folder.issue(node: "n1", hosts: [], validity: validity(), isExact: true, replaces: true)
        #expect(try bytes(folder.certificate(of: "n1")) != issued)
        _ = try made(replaces: true)
        #expect(try bytes(folder.authorityCertificate) != before)
    }

    @Test("a certificate does not outlive its authority, and one that has ended issues nothing")
    func outliving() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let authority = try made(days: 10)
        #expect(throws: TidegateError.self) {
            try folder.issue(node: "n1", hosts: [], validity: validity(days: 20), isExact: true, replaces: false)
        }
        let issued = try folder.issue(
            node: "n1", hosts: [], validity: validity(days: 20), isExact: false, replaces: false)
        #expect(abs(issued.validUntil.timeIntervalSince(authority.validUntil)) < 1)
        let late = Date(timeIntervalSinceNow: 20 * 86_400)..<Date(timeIntervalSinceNow: 30 * 86_400)
        let error = #expect(throws: TidegateError.self) {
            try folder.issue(node: "n2", hosts: [], validity: late, isExact: false, replaces: false)
        }
        #expect(error?.message.contains("certs init") == true)
    }

    @Test("ids that are no ids, a folder without an authority, an authority whose key is another's: told apart")
    func mistakes() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        func issue(_ node: String) -> TidegateError.Code? {
            do {
                _ = try folder.issue(node: node, hosts: [], validity: validity(), isExact: true, replaces: false)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(issue("n1") == .notFound)
        _ = try made()
        for host in ["10.0.0.1", "::1", "n2.node.tidegate"] {
            let error = #expect(throws: TidegateError.self, "\(host) would make it other nodes' certificate") {
                try folder.issue(node: "n1", hosts: [host], validity: validity(), isExact: true, replaces: false)
            }
            #expect(error?.code == .invalidRequest)
        }
        for id in ["", "..", "a/b", "ä", String(repeating: "n", count: 65)] { #expect(issue(id) == .invalidRequest) }
        let other = try ClusterAuthority(making: "other", validity: validity())
        try other.pem.keyPEM.write(toFile: folder.authorityKey, atomically: true, encoding: .utf8)
        #expect(issue("n1") == .invalidConfiguration)
    }
}
