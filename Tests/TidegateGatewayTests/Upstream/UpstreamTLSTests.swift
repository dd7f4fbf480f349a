import Foundation
import NIOCore
import NIOSSL
import Testing
import TidegateEngines
import TidegateTestKit

@testable import TidegateGateway

@Suite("TLS to an upstream", .timeLimit(.minutes(1)))
struct UpstreamTLSTests {
    /// A directory with `key.pem` and `cert.pem` for `localhost`, signed by itself.
    private func withCertificate(_ body: (_ directory: String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "tidegate-tls-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try makeCertificate(in: directory.path())
        try await body(directory.path())
    }

    private func serverContext(_ directory: String) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(directory + "/cert.pem").map {
            NIOSSLCertificateSource.certificate($0)
        }
        let key = try NIOSSLPrivateKey(file: directory + "/key.pem", format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
    }

    enum Trust: Sendable { case system, file }

    @Test(
        "only a trusted certificate with the right name is accepted",
        arguments: [
            (Trust.file, "localhost", "secret"), (.system, "localhost", "[tls]"), (.file, "127.0.0.1", "[tls]"),
        ])
    func verification(trust: Trust, host: String, expected: String) async throws {
        try await withCertificate { directory in
            var settings = UpstreamSettings()
            if trust == .file { settings.tls.additionalTrustRootsFile = directory + "/cert.pem" }
            let context = try serverContext(directory)
            try await UpstreamStage.run(settings: settings, tls: settings.makeTLSContext()) { stage in
                let server = try await RawServer.start(
                    stage.group,
                    first: { try $0.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
                ) { peer, _, _ in peer.send(UpstreamReuseTests.answer("secret")) }
                let origin = stage.origin(server, isTLS: true, host: host)
                for _ in 0..<2 { #expect(try await stage.exchange(origin).summary == expected) }
                #expect(server.accepted == (expected == "secret" ? 1 : 2))
            }
        }
    }

    @Test("a connection cut without a TLS goodbye does not end an answer")
    func truncation() async throws {
        try await withCertificate { directory in
            var settings = UpstreamSettings()
            settings.tls.additionalTrustRootsFile = directory + "/cert.pem"
            let context = try serverContext(directory)
            try await UpstreamStage.run(settings: settings, tls: settings.makeTLSContext()) { stage in
                let server = try await RawServer.start(
                    stage.group,
                    first: { try $0.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
                ) { peer, _, _ in
                    guard let channel = peer.channel else { return }
                    channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\npart")).assumeIsolated()
                        .whenComplete { _ in
                            // Closing below the TLS handler says no goodbye.
                            try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
                                .close(mode: .all, promise: nil)
                        }
                }
                let outcome = try await stage.exchange(stage.origin(server, isTLS: true, host: "localhost"))
                #expect(outcome.summary == "[closed]" && outcome.text == "part")
            }
        }
    }

    @Test("a server that never answers the handshake is given up")
    func silentServer() async throws {
        var settings = UpstreamSettings()
        settings.connectTimeout = .milliseconds(50)
        try await UpstreamStage.run(settings: settings, tls: settings.makeTLSContext()) { stage in
            let server = try await RawServer.start(stage.group) { _, _, _ in }
            #expect(try await stage.exchange(stage.origin(server, isTLS: true)).summary == "[tls]")
        }
    }

    @Test("without a TLS context nothing is sent in the clear")
    func noContext() async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                peer.send(UpstreamReuseTests.answer("clear"))
            }
            #expect(try await stage.exchange(stage.origin(server, isTLS: true)).summary == "[tls]")
        }
    }
}

/// Writes `key.pem` and `cert.pem` for `localhost`, signed by itself.
func makeCertificate(in directory: String) throws {
    let openssl = try ChildProcess([
        "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
        directory + "/key.pem", "-out", directory + "/cert.pem",
    ])
    try #require(openssl.wait() == 0)
}
