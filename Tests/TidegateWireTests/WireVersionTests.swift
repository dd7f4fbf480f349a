import SwiftProtobuf
import Testing
import TidegateCore
import TidegateWire

/// Nodes are replaced one by one, so each version talks with the one before and the one after it. The bytes are written by
/// hand, field by field: a change of the schema that an installed node would misread fails here.
@Suite("Nodes of neighbouring versions")
struct WireVersionTests {
    private static let id = [UInt8](1...16)

    /// What version 1 sends: numbers and meanings stay for ever.
    private static let batch = ProtoBytes.message { batch in
        batch.number(1, 7)
        batch.bytes(2, id)
        batch.bytes(3, id.reversed())
        batch.number(4, 41)
        batch.bytes(5, [1, 2, 3])
        batch.bytes(5, [])
        batch.number(6, 12)
        batch.message(7) { relay in
            relay.text(1, "n3")
            relay.text(2, "10.0.0.3")
            relay.number(3, 8_788)
        }
    }

    @Test("a batch is read from the bytes that version 1 writes, and written as them")
    func batch() throws {
        let wire = try Tidegate_Peer_Batch(serializedBytes: Self.batch)
        let parcel = try PeerParcel(wire)
        #expect(parcel.ticket == 7)
        #expect(parcel.batch.stream.description == "0102030405060708090a0b0c0d0e0f10")
        #expect(parcel.batch.gateway.description == "100f0e0d0c0b0a090807060504030201")
        #expect(parcel.batch.firstSequence == 41)
        #expect(parcel.batch.records.map(Array.init) == [[1, 2, 3], []])
        #expect(parcel.batch.resolvedBelow == 12)
        #expect(parcel.relay == PeerAddress(node: "n3", host: "10.0.0.3", port: 8_788))
        #expect(try parcel.wire.serializedBytes() as [UInt8] == Self.batch)
    }

    @Test("a newer node's additions to a batch are passed over, an older node's omissions are the defaults")
    func batchOfNeighbours() throws {
        var newer = ProtoBytes()
        newer.bytes(90, Self.id)
        newer.number(91, 5)
        let added = try PeerParcel(Tidegate_Peer_Batch(serializedBytes: newer.bytes + Self.batch))
        #expect(added.ticket == 7)
        #expect(added.batch.records.count == 2)
        let older = ProtoBytes.message { batch in
            batch.number(1, 7)
            batch.bytes(2, Self.id)
            batch.bytes(3, Self.id)
            batch.number(4, 1)
            batch.bytes(5, [9])
        }
        let lacking = try PeerParcel(Tidegate_Peer_Batch(serializedBytes: older))
        #expect(lacking.batch.resolvedBelow == 0, "nothing is said to be resolved")
        #expect(lacking.relay == nil)
    }

    @Test("a message of a kind that only newer nodes know is passed over")
    func unknownKinds() throws {
        let unknown = ProtoBytes.message { $0.message(77) { $0.number(1, 1) } }
        let request = try Tidegate_Peer_DeliverRequest(serializedBytes: unknown)
        #expect(!request.hasHello && request.batches.isEmpty)
        let answer = try Tidegate_Peer_DeliverAnswer(serializedBytes: unknown)
        #expect(answer.verdicts.isEmpty && answer.credit == 0)
        #expect(try ControlPiece(Tidegate_Peer_ControlAnswer(serializedBytes: unknown)) == nil)
        #expect(throws: TidegateError.self) { try PeerQuestion(Tidegate_Peer_AskRequest(serializedBytes: unknown)) }
        #expect(throws: TidegateError.self) { try Tidegate_Peer_AskAnswer(serializedBytes: unknown).peerAnswer() }
    }

    @Test("verdicts are read from the bytes that version 1 writes, and written as them")
    func verdicts() throws {
        let bytes = ProtoBytes.message { verdicts in
            verdicts.number(1, 7)
            func run(_ fill: (inout ProtoBytes) -> Void) { verdicts.message(2, fill) }
            run {
                $0.number(1, 1); $0.number(2, 300)
            }
            run {
                $0.number(1, 2); $0.number(2, 1)
            }
            run {
                $0.number(1, 3); $0.number(2, 1); $0.number(3, 1)
            }
            run {
                $0.number(1, 3); $0.number(2, 1); $0.number(3, 2)
            }
            run {
                $0.number(1, 4); $0.number(2, 2)
            }
            run {
                $0.number(1, 6); $0.number(2, 1); $0.number(5, 41)
            }
            run {
                $0.number(1, 7); $0.number(2, 1)
            }
            run {
                $0.number(1, 8); $0.number(2, 1)
            }
            for reason: UInt64 in 1...4 {
                run {
                    $0.number(1, 5); $0.number(2, 1); $0.number(3, reason); $0.number(4, 1_500_000)
                }
            }
        }
        let expected: [RecordVerdict] =
            Array(repeating: .committed, count: 300)
            + [
                .duplicate, .permanent(.quota), .permanent(.invalid), .gone, .gone, .expected(sequence: 41), .moved,
                .fork,
            ]
            + [LaterReason.allowance, .overloaded, .recovering, .unavailable].map {
                .later(after: .milliseconds(1_500), reason: $0)
            }
        let wire = try Tidegate_Peer_Verdicts(serializedBytes: bytes)
        #expect(try wire.verdicts(of: expected.count) == expected)
        #expect(try Tidegate_Peer_Verdicts(ticket: 7, expected).serializedBytes() as [UInt8] == bytes)
    }

    @Test("a decision that this node does not know leaves the record in the outbox", arguments: [0, 9, 200])
    func unknownDecision(decision: UInt64) throws {
        let bytes = ProtoBytes.message { verdicts in
            verdicts.message(2) {
                $0.number(1, decision); $0.number(2, 2); $0.number(17, 5)
            }
        }
        let verdicts = try Tidegate_Peer_Verdicts(serializedBytes: bytes).verdicts(of: 2)
        #expect(verdicts == Array(repeating: .later(after: .seconds(1), reason: .unavailable), count: 2))
    }

    @Test(
        "verdicts must be one a record, whatever the counts claim",
        arguments: [[], [1], [3], [1, 2], [4_294_967_295, 3]])
    func counts(counts: [UInt64]) throws {
        let bytes = ProtoBytes.message { verdicts in
            for count in counts {
                verdicts.message(2) {
                    $0.number(1, 1); $0.number(2, count)
                }
            }
        }
        let wire = try Tidegate_Peer_Verdicts(serializedBytes: bytes)
        #expect(throws: TidegateError.self) { try wire.verdicts(of: 2) }
    }

    @Test("nodes whose ranges of versions meet speak the newest that both read; others are told why not")
    func ranges() throws {
        let greeting = try PeerGreeting(
            Tidegate_Peer_Hello(
                serializedBytes: ProtoBytes.message {
                    $0.number(1, 1); $0.number(2, 3); $0.text(3, "n2"); $0.text(9, "?")
                }))
        #expect(greeting == PeerGreeting(node: "n2", versions: WireVersions(read: 1...3)))
        #expect(try WireVersions(read: 2...5).common(with: greeting.versions) == 3)
        #expect(try WireVersions(read: 1...1).common(with: greeting.versions) == 1)
        let error = #expect(throws: TidegateError.self) {
            try WireVersions(read: 4...5).common(with: greeting.versions)
        }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("4...5") == true && error?.message.contains("1...3") == true)
        #expect(throws: TidegateError.self) { try PeerGreeting(Tidegate_Peer_Hello()) }
    }

    @Test("questions and answers are read from the bytes that version 1 writes, and written as them")
    func questions() throws {
        let hello = ProtoBytes.message {
            $0.number(1, 1); $0.number(2, 1); $0.text(3, "n1")
        }
        let uid = GatewayUID(bits: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10)
        let cases: [(PeerQuestion, UInt64, [UInt8])] = [
            (.endGateway(uid), 2, ProtoBytes.message { $0.bytes(1, Self.id) }),
            (.liveRows(uid), 3, ProtoBytes.message { $0.bytes(1, Self.id) }),
            (.giveBack(account: "acme"), 4, ProtoBytes.message { $0.text(1, "acme") }), (.probe, 5, []),
        ]
        for (question, field, content) in cases {
            let bytes = ProtoBytes.message {
                $0.bytes(1, hello); $0.bytes(field, content)
            }
            #expect(try question.wire(from: PeerGreeting(node: "n1")).serializedBytes() as [UInt8] == bytes)
            #expect(try PeerQuestion(Tidegate_Peer_AskRequest(serializedBytes: bytes)) == question)
        }
        #expect(try Tidegate_Peer_AskAnswer(.done).serializedBytes() as [UInt8] == [0x0A, 0])
        #expect(try Tidegate_Peer_AskAnswer(.rows(300)).serializedBytes() as [UInt8] == [0x10, 0xAC, 0x02])
        #expect(try Tidegate_Peer_AskAnswer(serializedBytes: [0x10, 0xAC, 0x02]).peerAnswer() == .rows(300))
    }

    @Test("a failure keeps its code; one that only newer nodes know is an internal error")
    func failures() throws {
        for code in TidegateError.Code.allCases {
            let error = #expect(throws: TidegateError.self) {
                try Tidegate_Peer_AskAnswer(TidegateError(code, "why")).peerAnswer()
            }
            #expect(error?.code == code)
            #expect(error?.message == "why")
        }
        let newer = ProtoBytes.message {
            $0.message(3) {
                $0.text(1, "flooded"); $0.text(2, "too wet")
            }
        }
        let error = #expect(throws: TidegateError.self) {
            try Tidegate_Peer_AskAnswer(serializedBytes: newer).peerAnswer()
        }
        #expect(error?.code == .internalError)
    }

    @Test("what makes no sense is refused, not guessed")
    func nonsense() throws {
        var wire = try Tidegate_Peer_Batch(serializedBytes: Self.batch)
        wire.stream.removeLast()
        #expect(throws: TidegateError.self) { try PeerParcel(wire) }
        wire = try Tidegate_Peer_Batch(serializedBytes: Self.batch)
        wire.relay.port = 70_000
        #expect(throws: TidegateError.self) { try PeerParcel(wire) }
        wire = try Tidegate_Peer_Batch(serializedBytes: Self.batch)
        wire.records = []
        #expect(throws: TidegateError.self) { try PeerParcel(wire) }
    }
}
