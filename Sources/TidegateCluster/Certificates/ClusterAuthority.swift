internal import Crypto
package import Foundation
internal import NIOCore
internal import SwiftASN1
package import TidegateCore
internal import X509

/// The private authority of one cluster: says which key is whose node's.
package struct ClusterAuthority: Sendable {
    /// A certificate and its key, in PEM.
    package struct Pair: Sendable {
        package var certificatePEM: String
        package var keyPEM: String

        package init(certificatePEM: String, keyPEM: String) {
            self.certificatePEM = certificatePEM
            self.keyPEM = keyPEM
        }
    }

    private let certificate: Certificate
    private let key: Certificate.PrivateKey
    package let pem: Pair

    /// Makes an authority with a fresh key.
    /// - Parameter name: for people; appears in the certificates that it issues.
    package init(making name: String, validity: Range<Date>) throws(TidegateError) {
        do {
            let key = P256.Signing.PrivateKey()
            let certificate = try Self.certificate(
                subject: name, issuer: name, validity: validity, key: Certificate.PublicKey(key.publicKey),
                extensions: try Self.authorityExtensions(of: Certificate.PublicKey(key.publicKey)),
                signedBy: Certificate.PrivateKey(key))
            self.certificate = certificate
            self.key = Certificate.PrivateKey(key)
            pem = Pair(certificatePEM: try certificate.pemText, keyPEM: key.pemRepresentation + "\n")
        } catch {
            throw TidegateError(.internalError, "no certificate could be made", cause: error)
        }
    }

    /// - Throws: `.invalidConfiguration` when the two do not belong together, or are no authority.
    package init(_ pem: Pair) throws(TidegateError) {
        do {
            certificate = try Certificate(pemEncoded: pem.certificatePEM)
            key = try Certificate.PrivateKey(pemEncoded: pem.keyPEM)
        } catch {
            throw TidegateError(.invalidConfiguration, "the authority's certificate or key is not in PEM", cause: error)
        }
        guard key.publicKey == certificate.publicKey else {
            throw TidegateError(.invalidConfiguration, "the authority's key does not belong to its certificate")
        }
        guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints else {
            throw TidegateError(.invalidConfiguration, "the certificate is not that of an authority")
        }
        self.pem = pem
    }

    /// Not valid after this.
    package var end: Date { certificate.notValidAfter }

    /// Certifies a fresh key for a node.
    /// - Parameter hosts: further names of the node, for tools that look at them. Peers go by the node's id.
    /// - Throws: `.invalidRequest` when the authority itself ends before, or for an address: TLS takes a certificate that names
    ///   the address it has called, whichever node was meant to answer there.
    package func issue(node: String, hosts: [String], validity: Range<Date>) throws(TidegateError) -> Pair {
        // Certificates tell whole seconds.
        guard validity.upperBound.timeIntervalSince(end) < 1 else {
            throw TidegateError(
                .invalidRequest,
                "the certificate would outlive its authority, which is valid until \(end.ISO8601Format())")
        }
        for host in hosts where (try? SocketAddress(ipAddress: host, port: 0)) != nil {
            throw TidegateError(
                .invalidRequest,
                "\(host) is an address: a certificate with it would be taken for any node's that is called there")
        }
        for host in hosts where PeerName.node(of: host) != nil {
            throw TidegateError(.invalidRequest, "\(host) is the name of a node: issue it a certificate of its own")
        }
        let names = ([PeerName.dns(of: node)] + hosts).map { GeneralName.dnsName($0) }
        do {
            let fresh = P256.Signing.PrivateKey()
            let issued = try Self.certificate(
                subject: node, issuer: certificate.subject, validity: validity,
                key: Certificate.PublicKey(fresh.publicKey),
                extensions: try nodeExtensions(names: names, key: Certificate.PublicKey(fresh.publicKey)), signedBy: key
            )
            return Pair(certificatePEM: try issued.pemText, keyPEM: fresh.pemRepresentation + "\n")
        } catch {
            throw TidegateError(.internalError, "no certificate could be issued", cause: error)
        }
    }

    private static func certificate(
        subject: String, issuer: String, validity: Range<Date>, key: Certificate.PublicKey,
        extensions: Certificate.Extensions, signedBy signer: Certificate.PrivateKey
    ) throws -> Certificate {
        try certificate(
            subject: subject, issuer: try DistinguishedName { CommonName(issuer) }, validity: validity, key: key,
            extensions: extensions, signedBy: signer)
    }

    private static func certificate(
        subject: String, issuer: DistinguishedName, validity: Range<Date>, key: Certificate.PublicKey,
        extensions: Certificate.Extensions, signedBy signer: Certificate.PrivateKey
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key,
            notValidBefore: validity.lowerBound, notValidAfter: validity.upperBound, issuer: issuer,
            subject: try DistinguishedName { CommonName(subject) }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions, issuerPrivateKey: signer)
    }

    private static func authorityExtensions(of key: Certificate.PublicKey) throws -> Certificate.Extensions {
        try Certificate.Extensions {
            // It issues nodes' certificates only, no further authorities.
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            SubjectKeyIdentifier(hash: key)
        }
    }

    private func nodeExtensions(names: [GeneralName], key: Certificate.PublicKey) throws -> Certificate.Extensions {
        let authority = try certificate.extensions.subjectKeyIdentifier?.keyIdentifier
        // Each node is client and server of the others.
        return try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            try ExtendedKeyUsage([.serverAuth, .clientAuth])
            SubjectKeyIdentifier(hash: key)
            AuthorityKeyIdentifier(keyIdentifier: authority)
            SubjectAlternativeNames(names)
        }
    }
}

extension Certificate {
    fileprivate var pemText: String {
        get throws { try serializeAsPEM().pemString + "\n" }
    }
}
