import Testing
import TidegateCore

@testable import TidegateNode

@Suite("Settings of serve")
struct ServeSettingsTests {
    private func settings(
        yaml: String = "", environment: [String: String] = [:], flags: [SettingName: String] = [:]
    ) throws -> ServeSettings {
        var sources = SettingSources()
        try sources.read(yaml: yaml, file: "t.yaml")
        try sources.read(environment: environment)
        for (name, text) in flags { sources.set(name, flag: name.rawValue, text) }
        return try ServeSettings(sources)
    }

    private static let shared = """
        coordination: etcd:http://h
        store: s3:http://h/bucket
        s3: {accessKey: a, secretKey: b}

        """

    @Test("flags win over the environment, it over the file, it over the defaults")
    func layers() throws {
        #expect(try settings().listen.port == 8_787)
        let yaml = "listen: 127.0.0.1:1\nregion: eu\nnodeId: a\n"
        let all = try settings(
            yaml: yaml, environment: ["TIDEGATE_LISTEN": "127.0.0.1:2", "TIDEGATE_NODE_ID": "b"],
            flags: [.listen: "[::1]:3"])
        #expect(all.listen == ServeSettings.Endpoint(host: "::1", port: 3))
        #expect((all.region, all.nodeID) == ("eu", "b"))
    }

    @Test("nested keys, providers, numbers and switches are read")
    func yaml() throws {
        let all = try settings(
            yaml: """
                providers:
                  openai: {baseURL: "http://127.0.0.1:9/v1"}
                limits: {bodyBytes: 2048, connections: 5}
                tls: {certificate: c.pem, key: k.pem}
                defaultAccount: false
                capture: power
                """)
        #expect(all.providers == ["openai": "http://127.0.0.1:9/v1"])
        #expect((all.bodyBytesMax, all.connectionsMax) == (2_048, 5))
        #expect(all.tls == ServeSettings.TLS(certificateFile: "c.pem", keyFile: "k.pem"))
        #expect((all.createsDefaultAccount, all.capture) == (false, .power))
    }

    @Test(
        "a bad value stops the start and is named",
        arguments: [
            ("adminToken: short", "16 characters"), ("listen: 8787", "t.yaml: listen"),
            ("listen: 127.0.0.1:70000", "127.0.0.1:70000"), ("lisen: x", "'lisen'"),
            ("limits: {body: 1}", "'limits.body'"), ("limits: {bodyBytes: many}", "limits.bodyBytes"),
            ("capture: maybe", "process, power"), ("providers: {openai: {url: x}}", "providers.openai.url"),
            ("providers: {openai: {baseURL: ftp://x}}", "http://"), ("region: a/b", "t.yaml: region"),
            ("defaultAccount: perhaps", "true or false"), ("tls: {key: k.pem}", "tls.certificate"),
            ("store: s3:http://h/bucket", "do not go together"), ("coordination: etcd:http://h", "do not go together"),
            ("{coordination: 'etcd:http://h', store: 's3:http://h/bucket'}", "TIDEGATE_S3_ACCESS_KEY"),
            ("join: h:1", "t.yaml: join"), ("peer: {key: k.pem}", "peer.authority"),
            (Self.shared + "join: h", "'h' is no HOST:PORT"), (Self.shared + "peerListen: 0.0.0.0:1", "peer.authority"),
            ("- a", "map of settings"), ("a: [", "not valid YAML"),
            ("state: ''", "empty"),
            ("logLevel: loud", "t.yaml: logLevel"), ("region: {a: 1}", "single value"),
        ])
    func bad(yaml: String, named: String) {
        let error = #expect(throws: TidegateError.self) { try settings(yaml: yaml) }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }

    @Test("a variable with our prefix that nobody reads stops the start")
    func unknownVariable() {
        var sources = SettingSources()
        #expect(throws: TidegateError.self) { try sources.read(environment: ["TIDEGATE_LISTN": "127.0.0.1:1"]) }
        #expect(throws: Never.self) { try sources.read(environment: ["TIDEGATE_BIN": "x", "PATH": "y"]) }
    }

    @Test("each setting has its own environment variable")
    func variables() {
        #expect(SettingName.bodyBytesMax.environmentVariable == "TIDEGATE_LIMITS_BODY_BYTES")
        #expect(SettingName.nodeID.environmentVariable == "TIDEGATE_NODE_ID")
        #expect(Set(SettingName.allCases.map(\.environmentVariable)).count == SettingName.allCases.count)
    }
}
