/// Every key of `tidegate serve`, with the name of its flag, its key in the YAML file and its environment variable.
///
/// Lowest to highest: the default here, the file, the environment, the command line.
package enum SettingName: String, CaseIterable, Sendable {
    case listen, state, nodeID = "nodeId", region, peerListen, peerAdvertise, join, coordination, store, capture
    case defaultAccount, ephemeralOutbox, eventLoops, logLevel
    case adminToken
    case tlsCertificate = "tls.certificate", tlsKey = "tls.key"
    case bodyBytesMax = "limits.bodyBytes", captureBytesMax = "limits.captureBytes"
    case connectionsMax = "limits.connections", outboxBytesMax = "limits.outboxBytes"
    case snapshotObjects = "objects.snapshotObjects", segmentRows = "objects.segmentRows"
    case trustedRoots = "upstream.trustedRoots"
    case peerAuthority = "peer.authority", peerCertificate = "peer.certificate", peerKey = "peer.key"
    case peerPlaintext = "peer.plaintext"
    case gossipKeys = "gossip.keys", zone
    case prices
    case s3AccessKey = "s3.accessKey", s3SecretKey = "s3.secretKey", s3Region = "s3.region", s3Style = "s3.style"
    case etcdTransactions = "etcd.transactionsPerSecond", etcdBurst = "etcd.transactionsBurst"

    /// `listen` is `TIDEGATE_LISTEN`, `limits.bodyBytes` is `TIDEGATE_LIMITS_BODY_BYTES`.
    package var environmentVariable: String {
        var name = "TIDEGATE_"
        for character in rawValue {
            if character == "." {
                name += "_"
            } else if character.isUppercase {
                name += "_" + character.uppercased()
            } else {
                name += character.uppercased()
            }
        }
        return name
    }
}
