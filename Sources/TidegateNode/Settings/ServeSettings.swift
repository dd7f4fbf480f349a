package import TidegateCore
package import TidegateEngines

/// What `tidegate serve` runs with. Every key is documented in `Docs/operations/configure.md`.
package struct ServeSettings: Equatable, Sendable {
    package struct Endpoint: Equatable, Sendable {
        package var host: String
        package var port: Int
        /// Only this machine can reach it.
        package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }
    package enum Capture: String, CaseIterable, Sendable {
        /// A captured row survives the death of the process.
        case process
        /// It also survives the loss of power, at the price of a disk flush before an answer's last byte.
        case power
    }

    package var listen = Endpoint(host: "127.0.0.1", port: 8787)
    package var peerListen = Endpoint(host: "127.0.0.1", port: 8788)
    package var state = "tidegate-state"
    package var nodeID = "n1"
    package var region = "local"
    package var capture = Capture.process
    package var createsDefaultAccount = true
    /// Allows an outbox on a file system that dies with its container (A11).
    package var allowsEphemeralOutbox = false
    /// 0 is one per core.
    package var eventLoops = 0
    package var logLevel = "info"
    package var adminToken: String?
    package var tls: TLS?
    package var providers: [String: String] = [:]
    package var bodyBytesMax = 100 << 20
    package var captureBytesMax = 64 << 20
    package var connectionsMax = 10_000
    package var outboxBytesMax: UInt64 = 20 << 30
    /// Log objects of a slot behind which a snapshot of it is due.
    package var snapshotObjects = 256
    /// Rows that leave a gateway's database for a segment at a time; half as many stay behind.
    package var segmentRows = 50_000
    /// PEM file with certificate authorities that upstreams may be signed by, instead of the system's.
    package var trustedRoots: String?
    /// CSV file whose rows replace or add to the bundled prices.
    package var prices: String?

    /// How other nodes are reached, and know this one.
    package var cluster = ClusterSettings()

    /// etcd and S3 instead of the embedded engines; they go together.
    package var shared: Shared?

    package struct Shared: Equatable, Sendable {
        /// `http://host:port` of etcd's members.
        package var etcd: [String]
        package var etcdSettings = EtcdSettings()
        package var s3: S3Settings
    }

    package struct TLS: Equatable, Sendable {
        package var certificateFile: String
        package var keyFile: String
    }

    package init() {}

    /// - Throws: `.invalidConfiguration` with the key's origin and what to do.
    package init(_ sources: SettingSources) throws(TidegateError) {
        let reader = SettingReader(values: sources.values)
        listen = try reader.endpoint(.listen) ?? listen
        peerListen = try reader.endpoint(.peerListen) ?? peerListen
        state = try reader.text(.state) ?? state
        nodeID = try reader.name(.nodeID) ?? nodeID
        region = try reader.name(.region) ?? region
        capture = try reader.choice(.capture, Capture.self) ?? capture
        createsDefaultAccount = try reader.bool(.defaultAccount) ?? createsDefaultAccount
        allowsEphemeralOutbox = try reader.bool(.ephemeralOutbox) ?? allowsEphemeralOutbox
        eventLoops = try reader.integer(.eventLoops, in: 0...1_024) ?? eventLoops
        logLevel = try reader.logLevel(.logLevel) ?? logLevel
        adminToken = try reader.secret(.adminToken)
        bodyBytesMax = try reader.integer(.bodyBytesMax, in: 1_024...(1 << 32)) ?? bodyBytesMax
        captureBytesMax = try reader.integer(.captureBytesMax, in: 0...(1 << 30)) ?? captureBytesMax
        connectionsMax = try reader.integer(.connectionsMax, in: 1...1_000_000) ?? connectionsMax
        outboxBytesMax =
            try reader.integer(.outboxBytesMax, in: (1 << 20)...(1 << 50)).map(UInt64.init) ?? outboxBytesMax
        snapshotObjects = try reader.integer(.snapshotObjects, in: 1...100_000) ?? snapshotObjects
        segmentRows = try reader.integer(.segmentRows, in: 20...50_000) ?? segmentRows
        trustedRoots = try reader.text(.trustedRoots)
        prices = try reader.text(.prices)
        tls = try Self.tls(reader)
        providers = try Self.providers(sources.providers)
        shared = try Self.shared(reader)
        cluster = try ClusterSettings(reader, listen: peerListen, isShared: shared != nil)
    }

    private static func shared(_ reader: SettingReader) throws(TidegateError) -> Shared? {
        let coordination = try reader.text(.coordination) ?? "embedded"
        let store = try reader.text(.store) ?? "file"
        if coordination == "embedded", store == "file" { return nil }
        guard coordination.hasPrefix("etcd:"), store.hasPrefix("s3:") else {
            throw TidegateError(
                .invalidConfiguration,
                "coordination '\(coordination)' and store '\(store)' do not go together: use embedded and file, or "
                    + "etcd:http://HOST:PORT,… and s3:http://HOST:PORT/BUCKET.")
        }
        guard let access = try reader.text(.s3AccessKey), let secret = try reader.text(.s3SecretKey) else {
            throw TidegateError(
                .invalidConfiguration,
                "The object store needs credentials: set TIDEGATE_S3_ACCESS_KEY and TIDEGATE_S3_SECRET_KEY.")
        }
        var s3 = try S3Settings(place: String(store.dropFirst(3)), accessKey: access, secretKey: secret)
        s3.region = try reader.text(.s3Region) ?? s3.region
        s3.style = try reader.choice(.s3Style, S3Settings.Style.self) ?? s3.style
        var etcd = EtcdSettings()
        etcd.transactionsPerSecond =
            try reader.integer(.etcdTransactions, in: 1...100_000) ?? etcd.transactionsPerSecond
        etcd.transactionsBurst = try reader.integer(.etcdBurst, in: 1...100_000) ?? etcd.transactionsBurst
        return Shared(
            etcd: coordination.dropFirst(5).split(separator: ",").map(String.init), etcdSettings: etcd, s3: s3)
    }

    private static func tls(_ reader: SettingReader) throws(TidegateError) -> TLS? {
        let (certificate, key) = (try reader.text(.tlsCertificate), try reader.text(.tlsKey))
        if certificate == nil, key == nil { return nil }
        guard let certificate, let key else {
            throw TidegateError(
                .invalidConfiguration, "tls.certificate and tls.key go together: set both to PEM files.")
        }
        return TLS(certificateFile: certificate, keyFile: key)
    }

    private static func providers(
        _ values: [String: SettingSources.Value]
    ) throws(TidegateError) -> [String: String] {
        for (slug, value) in values {
            guard value.text.hasPrefix("http://") || value.text.hasPrefix("https://") else {
                throw TidegateError(
                    .invalidConfiguration,
                    "\(value.origin): the base URL of '\(slug)' must begin with http:// or https://.")
            }
        }
        return values.mapValues(\.text)
    }
}
