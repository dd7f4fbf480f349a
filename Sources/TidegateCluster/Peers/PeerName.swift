internal import TidegateCore

/// A node's id as the DNS name that its certificate carries and that its peers expect there.
///
/// Ids of small letters, digits and hyphens are readable in it. DNS names tell no capitals and know no underscores, so other
/// ids are spelled in hexadecimal under a name of their own.
package enum PeerName {
    package static let suffix = ".node.tidegate"
    private static let spelled = ".hex"

    package static func dns(of node: String) -> String {
        let isPlain = !node.isEmpty && node.utf8.allSatisfy(isPlain)
        return (isPlain ? node : Hexadecimal.text(node.utf8) + spelled) + suffix
    }

    /// - Returns: `nil` for a name that names no node.
    package static func node(of dns: String) -> String? {
        let name = dns.lowercased()
        guard name.hasSuffix(suffix) else { return nil }
        let label = name.dropLast(suffix.count)
        if label.hasSuffix(spelled) {
            guard let bytes = Hexadecimal.bytes(label.dropLast(spelled.count)), !bytes.isEmpty else { return nil }
            return String(validating: bytes, as: UTF8.self)
        }
        return !label.isEmpty && label.utf8.allSatisfy(isPlain) ? String(label) : nil
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
