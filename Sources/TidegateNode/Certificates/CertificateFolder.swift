package import Foundation
internal import Glibc
internal import TidegateCluster
package import TidegateCore

/// The folder from which an operator provides a cluster with its secrets: the authority, nodes' certificates, the gossip key.
///
/// It is no state of a node: it belongs where the operator keeps secrets, and nodes get only what is theirs.
package struct CertificateFolder: Sendable {
    private let path: String

    package init(_ path: String) { self.path = path }

    package var authorityCertificate: String { path + "/ca.pem" }
    package var authorityKey: String { path + "/ca.key" }
    package var gossipKeys: String { path + "/gossip.keys" }
    package func certificate(of node: String) -> String { path + "/node-\(node).pem" }
    package func key(of node: String) -> String { path + "/node-\(node).key" }

    /// What a command made.
    package struct Made: Encodable, Sendable {
        package var files: [String]
        package var name: String
        package var validUntil: Date
    }

    /// Makes an authority and a gossip key.
    /// - Parameter gossipKey: 32 bytes that nobody can guess.
    /// - Throws: `.conflict` when there is one and `replaces` is false.
    package func makeAuthority(
        name: String, validity: Range<Date>, gossipKey: [UInt8], replaces: Bool
    ) throws(TidegateError) -> Made {
        let authority = try ClusterAuthority(making: name, validity: validity)
        let keyFile =
            "# Secret of the gossip of cluster \(name): the first line seals, all of them open.\n"
            + Data(gossipKey).base64EncodedString() + "\n"
        try makeFolder()
        try refuse(ifThere: [authorityCertificate, authorityKey, gossipKeys], unless: replaces)
        try write(authority.pem.keyPEM, to: authorityKey, mode: 0o600)
        try write(authority.pem.certificatePEM, to: authorityCertificate, mode: 0o644)
        try write(keyFile, to: gossipKeys, mode: 0o600)
        return Made(
            files: [authorityCertificate, authorityKey, gossipKeys], name: name, validUntil: validity.upperBound)
    }

    /// Issues a node's certificate over a fresh key.
    /// - Parameter isExact: whether the end may not be brought forward to that of the authority.
    /// - Throws: `.notFound` without an authority in the folder.
    package func issue(
        node: String, hosts: [String], validity: Range<Date>, isExact: Bool, replaces: Bool
    ) throws(TidegateError) -> Made {
        guard NameRule.allows(node) else {
            throw TidegateError(.invalidRequest, "\(node) is no id of a node: it \(NameRule.text)")
        }
        let authority = try ClusterAuthority(
            .init(certificatePEM: try read(authorityCertificate), keyPEM: try read(authorityKey)))
        guard authority.end > validity.lowerBound else {
            throw TidegateError(
                .invalidConfiguration,
                "the authority ended on \(authority.end.ISO8601Format()): make a new one with tidegate certs init")
        }
        let validity = isExact ? validity : validity.lowerBound..<min(validity.upperBound, authority.end)
        let pair = try authority.issue(node: node, hosts: hosts, validity: validity)
        let (certificate, key) = (certificate(of: node), key(of: node))
        try refuse(ifThere: [certificate, key], unless: replaces)
        try write(pair.keyPEM, to: key, mode: 0o600)
        try write(pair.certificatePEM, to: certificate, mode: 0o644)
        return Made(files: [certificate, key], name: node, validUntil: validity.upperBound)
    }

    private func makeFolder() throws(TidegateError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw TidegateError(.invalidConfiguration, "the directory \(path) cannot be made", cause: error)
        }
    }

    private func refuse(ifThere files: [String], unless replaces: Bool) throws(TidegateError) {
        guard !replaces, let there = files.first(where: { FileManager.default.fileExists(atPath: $0) }) else { return }
        throw TidegateError(
            .conflict, "\(there) is there already: --force replaces it, and what it certified is worth nothing then")
    }

    private func read(_ file: String) throws(TidegateError) -> String {
        do { return try String(contentsOfFile: file, encoding: .utf8) } catch {
            throw TidegateError(
                .notFound, "\(file) cannot be read: make an authority with tidegate certs init --directory \(path)",
                cause: error)
        }
    }

    /// A reader sees the old file or the new one, whole; never a key that others may read.
    private func write(_ text: String, to file: String, mode: mode_t) throws(TidegateError) {
        let temporary = file + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw unwritable(file) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        // The mode that open() was given is cut by the umask.
        guard fchmod(descriptor, mode) == 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count,
            fsync(descriptor) == 0, rename(temporary, file) == 0
        else { throw unwritable(file) }
    }

    private func unwritable(_ file: String) -> TidegateError {
        TidegateError(.invalidConfiguration, "\(file) cannot be written: \(String(cString: strerror(errno)))")
    }
}
