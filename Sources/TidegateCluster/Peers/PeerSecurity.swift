internal import GRPCNIOTransportHTTP2Posix
internal import SwiftASN1
package import TidegateCore
internal import X509

/// How nodes know each other.
package enum PeerSecurity: Sendable {
    /// Anybody may claim to be any node. For one machine, or a network that keeps others out by itself.
    case plaintext
    /// Both sides show a certificate of the cluster's own authority that names their node. While one authority replaces
    /// another, `caPEM` holds both.
    case mutual(caPEM: [UInt8], certificatePEM: [UInt8], keyPEM: [UInt8])

    /// Looks at the certificate before the network does, to say what is wrong with it.
    /// - Throws: `.invalidConfiguration`
    package func check(node: String) throws(TidegateError) {
        guard case .mutual(let caPEM, let certificatePEM, let keyPEM) = self else { return }
        _ = try Self.certificate(caPEM, "the certificate of the cluster's authority")
        let own = try Self.certificate(certificatePEM, "the node's certificate")
        guard own.peerNodes.contains(node) else {
            throw TidegateError(
                .invalidConfiguration,
                "the node's certificate does not name \(PeerName.dns(of: node)): issue one for node \(node)")
        }
        guard !own.namesAddresses else {
            throw TidegateError(
                .invalidConfiguration,
                "the node's certificate names an IP address, for which TLS would take it for any node's: issue one without"
            )
        }
        let key: Certificate.PrivateKey
        do {
            key = try Certificate.PrivateKey(pemEncoded: String(decoding: keyPEM, as: UTF8.self))
        } catch {
            throw TidegateError(.invalidConfiguration, "the node's key is not a private key in PEM", cause: error)
        }
        guard key.publicKey == own.publicKey else {
            throw TidegateError(.invalidConfiguration, "the node's key does not belong to its certificate")
        }
    }

    /// The first of those in `pem`.
    private static func certificate(_ pem: [UInt8], _ name: String) throws(TidegateError) -> Certificate {
        do {
            let documents = try PEMDocument.parseMultiple(pemString: String(decoding: pem, as: UTF8.self))
            let certificates = try documents.map(Certificate.init(pemDocument:))
            if let first = certificates.first { return first }
        } catch {
            throw TidegateError(.invalidConfiguration, "\(name) is not a certificate in PEM", cause: error)
        }
        throw TidegateError(.invalidConfiguration, "\(name) is empty")
    }

    var server: HTTP2ServerTransport.Posix.TransportSecurity {
        switch self {
        case .plaintext: .plaintext
        case .mutual(let caPEM, let certificatePEM, let keyPEM):
            .mTLS(
                certificateChain: [.bytes(certificatePEM, format: .pem)],
                privateKey: .bytes(keyPEM, format: .pem)
            ) { tls in
                tls.trustRoots = .certificates([.bytes(caPEM, format: .pem)])
                tls.clientCertificateVerification = .noHostnameVerification
                tls.requireALPN = true
            }
        }
    }

    /// The name that the peer's certificate must have is the authority of the calls.
    var client: HTTP2ClientTransport.Posix.TransportSecurity {
        switch self {
        case .plaintext: .plaintext
        case .mutual(let caPEM, let certificatePEM, let keyPEM):
            .mTLS(
                certificateChain: [.bytes(certificatePEM, format: .pem)],
                privateKey: .bytes(keyPEM, format: .pem)
            ) { tls in
                tls.trustRoots = .certificates([.bytes(caPEM, format: .pem)])
                tls.serverCertificateVerification = .fullVerification
            }
        }
    }
}

extension Certificate {
    /// Ids of the nodes that the certificate names.
    var peerNodes: [String] {
        guard let names = try? extensions.subjectAlternativeNames else { return [] }
        return names.compactMap { name in
            guard case .dnsName(let dns) = name else { return nil }
            return PeerName.node(of: dns)
        }
    }

    var namesAddresses: Bool {
        guard let names = try? extensions.subjectAlternativeNames else { return false }
        return names.contains { if case .ipAddress = $0 { true } else { false } }
    }
}
