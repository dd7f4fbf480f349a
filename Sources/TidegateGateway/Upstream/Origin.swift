/// Where a provider answers. Connections are pooled by it.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
    package let isTLS: Bool
    /// A name or an IP literal; IPv6 without brackets.
    package let host: String
    package let port: Int

    package init(isTLS: Bool, host: String, port: Int) {
        self.isTLS = isTLS
        self.host = host
        self.port = port
    }

    /// What belongs in a `Host` header: the port only where it is not the scheme's own.
    package var authority: String {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }

    package var description: String { (isTLS ? "https://" : "http://") + authority }
}
