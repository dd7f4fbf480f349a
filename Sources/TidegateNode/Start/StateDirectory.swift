internal import Crypto
internal import FoundationEssentials
internal import Glibc
package import TidegateCore

/// The node's directory: what lies in it, and who may read it.
package struct StateDirectory: Sendable {
    package let path: String
    package var coordination: String { path + "/coordination" }
    package var store: String { path + "/store" }
    package var outbox: String { path + "/outbox" }
    package var objects: String { path + "/objects" }
    package var cache: String { path + "/cache" }
    package var coordinationMark: String { path + "/coordination-seen.json" }
    package var adminTokenFile: String { path + "/admin-token" }

    /// Makes the directory, for its owner only, if it is not there.
    package init(creating path: String, allowsEphemeralOutbox: Bool) throws(TidegateError) {
        self.path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        for directory in [self.path, coordination, store, outbox, objects] {
            do {
                try FileManager.default.createDirectory(
                    atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw TidegateError(
                    .invalidConfiguration,
                    "The state directory \(directory) cannot be made: choose another with --state, or fix its permissions.",
                    cause: error)
            }
        }
        if !allowsEphemeralOutbox, Self.fileSystem(of: outbox) == "overlay" {
            throw TidegateError(
                .invalidConfiguration,
                "\(outbox) lies on a container's own layer, where captured rows die with the container. Mount a volume "
                    + "there and name it with --state, or accept the loss with --ephemeral-outbox.")
        }
    }

    /// The administrator token: the configured one, else the stored one, else a new one that is stored.
    package func administratorToken(configured: String?) throws(TidegateError) -> String {
        if let configured { return configured }
        if let stored = try? String(contentsOfFile: adminTokenFile, encoding: .utf8) {
            let token = stored.trimmingWhitespace()
            if !token.isEmpty { return token }
        }
        let token = "tga_" + SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }.base64URL
        let file = open(adminTokenFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw unwritable() }
        defer { close(file) }
        let text = Array((token + "\n").utf8)
        guard write(file, text, text.count) == text.count, fsync(file) == 0 else { throw unwritable() }
        return token
    }

    /// Notes who runs here now.
    /// - Returns: the process before, which has surely ended: the outbox is ours.
    func takeOver(as incarnation: IncarnationID) -> IncarnationID? {
        let file = path + "/incarnation"
        let before = (try? String(contentsOfFile: file, encoding: .utf8))?.trimmingWhitespace()
        // Without it a start waits for the last one's lease; that is no reason not to start.
        try? (incarnation.description + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        return before.flatMap { IncarnationID(hex: $0) }
    }

    private func unwritable() -> TidegateError {
        TidegateError(
            .invalidConfiguration, "\(adminTokenFile) cannot be written: \(String(cString: strerror(errno))).")
    }

    /// Type of the file system that holds `path`: that of the longest mount point above it. `overlay` is a container's
    /// own layer.
    private static func fileSystem(of path: String) -> Substring? {
        guard let mounts = try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) else { return nil }
        let fields = mounts.split(separator: "\n").map { $0.split(separator: " ") }
        return fields.filter { $0.count > 2 && ($0[1] == "/" || path == $0[1] || path.hasPrefix($0[1] + "/")) }
            .max { $0[1].utf8.count < $1[1].utf8.count }?[2]
    }

    static func contents(of path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map(Array.init) }

    /// Names this run of the machine: a database file from before a reboot may have lost its newest pages.
    package static func bootID() -> String {
        (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?.trimmingWhitespace()
            ?? "unknown"
    }
}

extension String {
    fileprivate func trimmingWhitespace() -> String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

extension Data {
    /// Base64 for URLs, without padding (RFC 4648 §5).
    fileprivate var base64URL: String {
        base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
