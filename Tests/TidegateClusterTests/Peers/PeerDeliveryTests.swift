import Synchronization
import Testing
import TidegateCluster
import TidegateCore
import TidegateWire

@Suite("Rows on their way to another node", .timeLimit(.minutes(2)))
struct PeerDeliveryTests {
    @Test("batches arrive in the order of the calls, whole, and each is answered once")
    func order() async throws {
        let service = FakePeer()
        let outcomes = Outcomes()
        try await talking(to: service) { clients, peer in
            for number: UInt64 in 1...500 {
                clients.submit(.numbered(number, records: 3), to: peer, relay: nil, reply: outcomes.reply(number))
            }
            #expect(await eventually { outcomes.count == 500 })
        }
        #expect(outcomes.all { $0 == .committed })
        #expect(!outcomes.isDoubled)
        #expect(service.arrived.map(\.batch.firstSequence) == Array(1...500))
        let batch = try #require(service.arrived.last?.batch)
        #expect(batch.stream == StreamID(bits: 5))
        #expect(batch.gateway == GatewayUID(bits: 6))
        #expect(batch.resolvedBelow == 500)
        #expect(batch.records.map(Array.init) == DeliveryBatch.numbered(500, records: 3).records.map(Array.init))
    }

    @Test("the address to carry a batch to comes through")
    func relay() async throws {
        let service = FakePeer()
        let third = PeerAddress(node: "N_3", host: "10.0.0.3", port: 8_788)
        try await talking(to: service) { clients, peer in
            clients.submit(.numbered(1), to: peer, relay: third, reply: { _ in })
            clients.submit(.numbered(2), to: peer, relay: nil, reply: { _ in })
            #expect(await eventually { service.arrived.count == 2 })
        }
        #expect(service.arrived.map(\.relay) == [third, nil])
    }

    @Test("a node that decides nothing is sent no more than its window and one parcel; verdicts let the next ones come")
    func credit() async throws {
        let service = FakePeer()
        service.hold()
        let outcomes = Outcomes()
        let settings = PeerSettings.quick { $0.credit.windowMin = 50_000 }
        try await talking(to: service, server: settings) { clients, peer in
            for number: UInt64 in 1...100 {
                clients.submit(.numbered(number, bytes: 9_000), to: peer, relay: nil, reply: outcomes.reply(number))
            }
            #expect(await eventually { service.arrived.count == 5 })
            // Everything that may come has come once a question, which overtakes nothing, is answered.
            for _ in 0..<20 { _ = try await clients.ask(.probe, at: peer, within: .seconds(5)) }
            #expect(service.arrived.count == 5, "50 000 bytes of credit are five parcels, the last of which overdraws")
            var next = 0
            while next < 100 {
                guard await eventually({ service.arrived.count > next }) else { break }
                service.arrived[next].reply([.committed])
                next += 1
            }
            #expect(await eventually { outcomes.count == 100 })
        }
        #expect(service.arrived.map(\.batch.firstSequence) == Array(1...100))
        #expect(outcomes.all { $0 == .committed })
    }

    @Test("a node that goes away in the middle: every batch is answered once, and delivery resumes on the same port")
    func restart() async throws {
        let (before, after) = (FakePeer(), FakePeer())
        before.hold()
        let (lost, found) = (Outcomes(), Outcomes())
        let clients = try makeClients()
        try await running({ try await clients.run() }) {
            let peer = try await serving(before) { peer in
                for number: UInt64 in 1...20 {
                    clients.submit(.numbered(number), to: peer, relay: nil, reply: lost.reply(number))
                }
                #expect(await eventually { before.arrived.count == 20 })
                before.arrived[0].reply([.committed])
                #expect(await eventually { lost.count == 1 })
                return peer
            }
            #expect(await eventually { lost.count == 20 })
            // The node is gone: whatever is tried meanwhile is told to come again.
            clients.submit(.numbered(99), to: peer, relay: nil, reply: lost.reply(99))
            #expect(await eventually { lost[99].count == 1 })
            try await serving(after, port: peer.port) { peer in
                var number: UInt64 = 100
                #expect(
                    await eventually {
                        number += 1
                        clients.submit(.numbered(number), to: peer, relay: nil, reply: found.reply(number))
                        return await eventually { found[number].count == 1 } && found[number] == [[.committed]]
                    })
            }
        }
        #expect(lost[1] == [[.committed]])
        #expect((2...20).allSatisfy { lost[$0].count == 1 && lost[$0][0].allSatisfy(\.isUnreachable) })
        #expect(!lost.isDoubled && !found.isDoubled)
        // Verdicts of the node that is gone reach nobody.
        for arrival in before.arrived { arrival.reply([.duplicate]) }
        #expect(!lost.isDoubled)
    }

    @Test("a node that stands but never decides: the batch is answered when its time is up")
    func frozen() async throws {
        let service = FakePeer()
        service.hold()
        let outcomes = Outcomes()
        let settings = PeerSettings.quick { $0.queue.answerWithin = .milliseconds(300) }
        try await talking(to: service, client: settings) { clients, peer in
            for number: UInt64 in 1...10 {
                clients.submit(.numbered(number), to: peer, relay: nil, reply: outcomes.reply(number))
            }
            #expect(await eventually { outcomes.count == 10 })
            #expect(outcomes.all(\.isUnreachable))
            for arrival in service.arrived { arrival.reply([.committed]) }
            #expect(!outcomes.isDoubled)
        }
    }

    @Test("nobody listens: batches are answered, a question says so")
    func nobody() async throws {
        let outcomes = Outcomes()
        let clients = try makeClients()
        let peer = try await serving(FakePeer()) { $0 }
        try await running({ try await clients.run() }) {
            clients.submit(.numbered(1, records: 4), to: peer, relay: nil, reply: outcomes.reply(1))
            #expect(await eventually { outcomes.count == 1 })
            #expect(outcomes[1].first?.count == 4)
            #expect(outcomes.all(\.isUnreachable))
            let error = await #expect(throws: TidegateError.self) {
                try await clients.ask(.endGateway(GatewayUID(bits: 1)), at: peer, within: .seconds(5))
            }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a batch larger than a message is not sent, and does not hold up others")
    func oversized() async throws {
        let service = FakePeer()
        let outcomes = Outcomes()
        try await talking(to: service) { clients, peer in
            clients.submit(.numbered(1, records: 8, bytes: 1 << 20), to: peer, relay: nil, reply: outcomes.reply(1))
            clients.submit(.numbered(2, records: 6, bytes: 1 << 20), to: peer, relay: nil, reply: outcomes.reply(2))
            #expect(await eventually { outcomes.count == 2 })
        }
        #expect(outcomes[1].first?.allSatisfy(\.isUnavailable) == true)
        #expect(outcomes[2] == [Array(repeating: .committed, count: 6)])
    }

    @Test("a message larger than the receiver takes breaks the call, not the node")
    func tooLargeForTheReceiver() async throws {
        let service = FakePeer()
        let outcomes = Outcomes()
        let settings = PeerSettings.quick { $0.messageBytesMax = 100_000 }
        try await talking(to: service, server: settings) { clients, peer in
            clients.submit(.numbered(1, bytes: 200_000), to: peer, relay: nil, reply: outcomes.reply(1))
            #expect(await eventually { outcomes.count == 1 })
            #expect(outcomes.all(\.isUnreachable))
            #expect(
                await eventually {
                    clients.submit(.numbered(2), to: peer, relay: nil, reply: outcomes.reply(2))
                    return await eventually {
                        outcomes[2].last == [.committed] || outcomes[2].last?[0].isUnreachable == true
                    }
                        && outcomes[2].last == [.committed]
                })
        }
        #expect(Set(service.arrived.map(\.batch.firstSequence)) == [2])
    }

    @Test("nodes without a common version do not talk, and say why")
    func versions() async throws {
        let service = FakePeer()
        let outcomes = Outcomes()
        let newer = PeerSettings.quick { $0.versions = WireVersions(read: 2...3) }
        try await talking(to: service, server: newer) { clients, peer in
            clients.submit(.numbered(1), to: peer, relay: nil, reply: outcomes.reply(1))
            #expect(await eventually { outcomes.count == 1 })
            #expect(outcomes.all(\.isUnreachable))
            let error = await #expect(throws: TidegateError.self) {
                try await clients.ask(.probe, at: peer, within: .seconds(5))
            }
            #expect(error?.code == .conflict)
            #expect(error?.message.contains("2...3") == true)
        }
        #expect(service.arrived.isEmpty && service.state.withLock { $0.questions.isEmpty })
    }

    @Test("a node under another id where a peer should be gets no rows")
    func otherNode() async throws {
        let service = FakePeer()
        let outcomes = Outcomes()
        try await talking(to: service) { clients, peer in
            let wrong = PeerAddress(node: "n7", host: peer.host, port: peer.port)
            clients.submit(.numbered(1), to: wrong, relay: nil, reply: outcomes.reply(1))
            #expect(await eventually { outcomes.count == 1 })
        }
        #expect(outcomes.all(\.isUnreachable))
        #expect(service.arrived.isEmpty)
    }

    @Test("a forgotten peer is left at once, and can be talked to again")
    func forgotten() async throws {
        let service = FakePeer()
        service.hold()
        let outcomes = Outcomes()
        try await talking(to: service) { clients, peer in
            clients.submit(.numbered(1), to: peer, relay: nil, reply: outcomes.reply(1))
            #expect(await eventually { service.arrived.count == 1 })
            clients.forget(node: "n2")
            #expect(outcomes[1].count == 1)
            service.state.withLock { $0.commits = true }
            clients.submit(.numbered(2), to: peer, relay: nil, reply: outcomes.reply(2))
            #expect(await eventually { outcomes[2] == [[.committed]] })
        }
        #expect(outcomes.all { $0.isUnavailable || $0 == .committed })
    }
}
