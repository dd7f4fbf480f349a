import Synchronization
import Testing
import TidegateCluster
import TidegateCore

@Suite("Who may talk to whom", .timeLimit(.minutes(2)))
struct PeerSecurityTests {
    @Test(
        "nodes with certificates of one authority talk, whatever letters their ids have",
        arguments: ["n2", "Eu_West.2", "a-b-9"])
    func mutual(node: String) async throws {
        let authority = try TestAuthority()
        let service = FakePeer()
        let outcomes = Outcomes()
        try await serving(service, node: node, try authority.security(of: node)) { peer in
            let clients = try makeClients("n1", try authority.security(of: "n1"))
            try await running({ try await clients.run() }) {
                clients.submit(.numbered(1), to: peer, relay: nil, reply: outcomes.reply(1))
                #expect(await eventually { outcomes.count == 1 })
                let answer = try await clients.ask(.probe, at: peer, within: .seconds(5))
                #expect(answer == .done)
            }
        }
        #expect(outcomes[1] == [[.committed]])
    }

    @Test("while one authority replaces another, nodes that trust both talk with nodes of either")
    func twoAuthorities() async throws {
        let (old, new) = (try TestAuthority(), try TestAuthority())
        guard case .mutual(let oldCA, let oldCertificate, let oldKey) = try old.security(of: "n2"),
            case .mutual(let newCA, let newCertificate, let newKey) = try new.security(of: "n1")
        else { return }
        let server = PeerSecurity.mutual(caPEM: oldCA + newCA, certificatePEM: oldCertificate, keyPEM: oldKey)
        let client = PeerSecurity.mutual(caPEM: oldCA + newCA, certificatePEM: newCertificate, keyPEM: newKey)
        try await serving(FakePeer(), node: "n2", server) { peer in
            let clients = try makeClients("n1", client)
            try await running({ try await clients.run() }) {
                let answer2 = try await clients.ask(.probe, at: peer, within: .seconds(5))
                #expect(answer2 == .done)
            }
        }
    }

    /// What the client presents, and what it expects of the server.
    enum Case: CaseIterable {
        case clientOfOtherAuthority, serverOfOtherAuthority, otherNodeExpected, clientWithoutTLS, serverWithoutTLS
    }

    @Test("others get nothing, in either direction", arguments: Case.allCases)
    func refused(example: Case) async throws {
        let (ours, theirs) = (try TestAuthority(), try TestAuthority())
        let client: PeerSecurity
        var server = try ours.security(of: "n2")
        var expected = "n2"
        switch example {
        case .clientOfOtherAuthority:
            // It trusts ours, but what it shows is its own.
            guard case .mutual(let caPEM, _, _) = server,
                case .mutual(_, let certificatePEM, let keyPEM) = try theirs.security(of: "n1")
            else { return }
            client = .mutual(caPEM: caPEM, certificatePEM: certificatePEM, keyPEM: keyPEM)
        case .serverOfOtherAuthority: client = try theirs.security(of: "n1")
        case .otherNodeExpected:
            client = try ours.security(of: "n1")
            expected = "n3"
        case .clientWithoutTLS: client = .plaintext
        case .serverWithoutTLS:
            client = try ours.security(of: "n1")
            server = .plaintext
        }
        let service = FakePeer()
        let outcomes = Outcomes()
        try await serving(service, node: "n2", server) { [client, expected] peer in
            let peer = PeerAddress(node: expected, host: peer.host, port: peer.port)
            let clients = try makeClients("n1", client, .quick { $0.queue.answerWithin = .seconds(2) })
            try await running({ try await clients.run() }) {
                clients.submit(.numbered(1), to: peer, relay: nil, reply: outcomes.reply(1))
                #expect(await eventually { outcomes.count == 1 })
                let error = await #expect(throws: TidegateError.self) {
                    try await clients.ask(.liveRows(GatewayUID(bits: 1)), at: peer, within: .seconds(2))
                }
                #expect(error?.code == .unavailable)
            }
        }
        #expect(outcomes.all(\.isUnreachable))
        #expect(service.arrived.isEmpty && service.state.withLock { $0.questions.isEmpty })
    }

    @Test("a node may not claim to be another one than its certificate says")
    func claims() async throws {
        let authority = try TestAuthority()
        let service = FakePeer()
        try await serving(service, node: "n2", try authority.security(of: "n2")) { peer in
            #expect(throws: TidegateError.self) { try makeClients("n9", try authority.security(of: "n1")) }
            // A client that skips that look at itself is found out by the server.
            let clients = PeerClients(
                claiming: "n9", security: try authority.security(of: "n1"), threads: sockets, logger: quiet)
            try await running({ try await clients.run() }) {
                let error = await #expect(throws: TidegateError.self) {
                    try await clients.ask(.probe, at: peer, within: .seconds(5))
                }
                #expect(error?.code == .forbidden)
            }
        }
    }

    @Test("a certificate that cannot serve a node stops its start, with a word on what is wrong")
    func checks() throws {
        let authority = try TestAuthority()
        guard case .mutual(let ca, let certificate, let key) = try authority.security(of: "n1"),
            case .mutual(_, _, let otherKey) = try authority.security(of: "n1")
        else { return }
        try PeerSecurity.mutual(caPEM: ca, certificatePEM: certificate, keyPEM: key).check(node: "n1")
        let wrong: [(PeerSecurity, String, String)] = [
            (.mutual(caPEM: ca, certificatePEM: certificate, keyPEM: key), "n2", "n2.node.tidegate"),
            (.mutual(caPEM: ca, certificatePEM: certificate, keyPEM: otherKey), "n1", "does not belong"),
            (.mutual(caPEM: [1], certificatePEM: certificate, keyPEM: key), "n1", "authority"),
            (.mutual(caPEM: ca, certificatePEM: key, keyPEM: key), "n1", "not a certificate"),
            (.mutual(caPEM: ca, certificatePEM: certificate, keyPEM: certificate), "n1", "not a private key"),
        ]
        for (security, node, word) in wrong {
            let error = #expect(throws: TidegateError.self) { try security.check(node: node) }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
        }
    }

    @Test(
        "a node's name in certificates tells ids apart that DNS would not",
        arguments: ["n1", "N1", "n_1", "a.b", "6e31.hex", "-"])
    func names(id: String) {
        #expect(PeerName.node(of: PeerName.dns(of: id)) == id)
        #expect(PeerName.node(of: PeerName.dns(of: id).uppercased()) == id)
        #expect(PeerName.node(of: "\(id).example.com") == nil)
    }
}
