internal import TidegateCore

/// How this node meets the others of its cluster.
package struct ClusterSettings: Equatable, Sendable {
    /// What peers prove to one another (PEM files).
    package struct Certificates: Equatable, Sendable {
        package var authority: String
        package var certificate: String
        package var key: String
    }

    /// Address that others use; `nil` is where this node listens.
    package var advertise: ServeSettings.Endpoint?
    /// `host:port` of nodes to ask for the others.
    package var join: [String] = []
    package var certificates: Certificates?
    /// Peers are not authenticated and not encrypted. Only for a network that nobody else is on.
    package var isPlaintextAllowed = false
    /// File with one base64 key a line: the first one seals, all of them open.
    package var gossipKeys: String?
    package var zone = ""

    package init() {}

    /// - Throws: `.invalidConfiguration` with what to do.
    init(_ reader: SettingReader, listen: ServeSettings.Endpoint, isShared: Bool) throws(TidegateError) {
        advertise = try reader.endpoint(.peerAdvertise)
        join = (try reader.text(.join) ?? "").split(separator: ",").map(String.init)
        isPlaintextAllowed = try reader.bool(.peerPlaintext) ?? false
        gossipKeys = try reader.text(.gossipKeys)
        zone = try reader.name(.zone) ?? ""
        certificates = try Self.certificates(reader)
        guard isShared else {
            guard join.isEmpty else {
                throw TidegateError(
                    .invalidConfiguration,
                    "\(reader.values[.join]?.origin ?? "join"): nodes with engines of their own cannot join one another: "
                        + "set coordination and store to an etcd and an S3 that all of them share.")
            }
            return
        }
        for seed in join where !Self.isEndpoint(seed) {
            throw TidegateError(
                .invalidConfiguration,
                "\(reader.values[.join]?.origin ?? "join"): '\(seed)' is no HOST:PORT of another node's peer address.")
        }
        guard certificates == nil, !isPlaintextAllowed, !listen.isLoopback else { return }
        throw TidegateError(
            .invalidConfiguration,
            "peerListen is \(listen.description), which other machines can reach: set peer.authority, peer.certificate and "
                + "peer.key ('tidegate certs' makes them), or accept unprotected peers with peer.plaintext: true.")
    }

    private static func certificates(_ reader: SettingReader) throws(TidegateError) -> Certificates? {
        let files = [
            try reader.text(.peerAuthority), try reader.text(.peerCertificate), try reader.text(.peerKey),
        ]
        let present = files.compactMap { $0 }
        if present.isEmpty { return nil }
        guard present.count == 3 else {
            throw TidegateError(
                .invalidConfiguration,
                "peer.authority, peer.certificate and peer.key go together: set all three to PEM files.")
        }
        return Certificates(authority: present[0], certificate: present[1], key: present[2])
    }

    private static func isEndpoint(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else { return false }
        return Int(text[text.index(after: colon)...]).map { (1...65_535).contains($0) } ?? false
    }
}
