/// One datagram between members, before it is sealed.
///
/// Layout: version byte, kind byte, sender, what the kind needs, then updates up to the end.
package struct SwimPacket: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// - target: who is meant, so that another process at a reused address does not answer for it.
        case ping(UInt64, target: String)
        /// Please ping `target` for me.
        case pingRequest(UInt64, target: String, address: String)
        case ack(UInt64)
        /// I tried and had no answer yet: my own path works (Lifeguard).
        case nack(UInt64)
        case gossip
        /// A part of the sender's table. `wantsAnswer` stands in one part only.
        case sync(wantsAnswer: Bool)
    }

    package var sender: String
    package var senderAddress: String
    package var kind: Kind
    package var updates: [SwimUpdate]

    package init(sender: String, senderAddress: String, kind: Kind, updates: [SwimUpdate] = []) {
        self.sender = sender
        self.senderAddress = senderAddress
        self.kind = kind
        self.updates = updates
    }

    package static let version: UInt8 = 1
    /// Of UDP payload: what RFC 9000 §14 asks of every path, so none fragments it.
    package static let datagramBytesMax = 1_200
    /// What sealing may add.
    package static let sealBytesMax = 64
    package static let plainBytesMax = datagramBytesMax - sealBytesMax
    package static let nameBytesMax = 64
}

/// Something said about a member. Without a profile it is of use only to those who know the member.
package struct SwimUpdate: Equatable, Sendable {
    package var nodeID: String
    package var incarnation: UInt64
    package var status: Member.Status
    /// Who suspects: distinct accusers confirm a suspicion.
    package var accuser: String?
    package var profile: MemberProfile?

    package init(
        nodeID: String, incarnation: UInt64, status: Member.Status, accuser: String? = nil,
        profile: MemberProfile? = nil
    ) {
        self.nodeID = nodeID
        self.incarnation = incarnation
        self.status = status
        self.accuser = accuser
        self.profile = profile
    }

    package init(_ member: Member, accuser: String? = nil) {
        self.init(
            nodeID: member.nodeID, incarnation: member.incarnation, status: member.status, accuser: accuser,
            profile: member.profile)
    }
}

extension SwimPacket {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.plainBytesMax)
        writer.fixed(Self.version)
        switch kind {
        case .ping(let number, let target):
            header(1, &writer)
            writer.varint(number)
            writer.counted(target.utf8)
        case .pingRequest(let number, let target, let address):
            header(2, &writer)
            writer.varint(number)
            writer.counted(target.utf8)
            writer.counted(address.utf8)
        case .ack(let number):
            header(3, &writer)
            writer.varint(number)
        case .nack(let number):
            header(4, &writer)
            writer.varint(number)
        case .gossip: header(5, &writer)
        case .sync(let wantsAnswer): header(wantsAnswer ? 7 : 6, &writer)
        }
        for update in updates { writer.raw(update.encoded()) }
        return writer.finish()
    }

    private func header(_ kind: UInt8, _ writer: inout ByteWriter) {
        writer.fixed(kind)
        writer.counted(sender.utf8)
        writer.counted(senderAddress.utf8)
    }

    /// - Throws: `.corrupt` for whatever `encoded` does not write.
    package init(decoding bytes: [UInt8]) throws(TidegateError) {
        guard bytes.count <= Self.datagramBytesMax else { throw Self.malformed }
        var reader = ByteReader(bytes)
        guard try reader.fixed(UInt8.self) == Self.version else { throw Self.malformed }
        let number = try reader.fixed(UInt8.self)
        sender = try reader.name()
        senderAddress = try reader.name()
        switch number {
        case 1: kind = .ping(try reader.varint(), target: try reader.name())
        case 2: kind = .pingRequest(try reader.varint(), target: try reader.name(), address: try reader.name())
        case 3: kind = .ack(try reader.varint())
        case 4: kind = .nack(try reader.varint())
        case 5: kind = .gossip
        case 6, 7: kind = .sync(wantsAnswer: number == 7)
        default: throw Self.malformed
        }
        updates = []
        while !reader.isAtEnd { updates.append(try SwimUpdate(&reader)) }
    }

    fileprivate static var malformed: TidegateError { TidegateError(.corrupt, "A gossip datagram is malformed.") }
}

extension SwimUpdate {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.fixed(status.rawValue | (accuser == nil ? 0 : 4) | (profile == nil ? 0 : 8))
        writer.counted(nodeID.utf8)
        writer.varint(incarnation)
        if let accuser { writer.counted(accuser.utf8) }
        if let profile { writer.counted(profile.encoded()) }
        return writer.finish()
    }

    init(_ reader: inout ByteReader) throws(TidegateError) {
        let flags = try reader.fixed(UInt8.self)
        guard flags < 16, let status = Member.Status(rawValue: flags & 3) else { throw SwimPacket.malformed }
        nodeID = try reader.name()
        incarnation = try reader.varint()
        self.status = status
        accuser = flags & 4 == 0 ? nil : try reader.name()
        profile = flags & 8 == 0 ? nil : try MemberProfile(ByteReader(try reader.counted()))
    }
}

extension MemberProfile {
    fileprivate func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.fixed(process.bits)
        writer.fixed(phase.rawValue)
        for text in [region, zone, gossipAddress, peerAddress] { writer.counted(text.utf8) }
        for number in [capacity, slots, backlogBytes, configRevision] { writer.varint(number) }
        return writer.finish()
    }

    /// What follows the known fields is left for later versions.
    fileprivate init(_ source: ByteReader) throws(TidegateError) {
        var reader = source
        process = IncarnationID(bits: try reader.fixed(UInt128.self))
        guard let phase = Phase(rawValue: try reader.fixed(UInt8.self)) else { throw SwimPacket.malformed }
        self.phase = phase
        region = try reader.name()
        zone = try reader.name()
        gossipAddress = try reader.name()
        peerAddress = try reader.name()
        capacity = try reader.varint()
        slots = try reader.varint()
        backlogBytes = try reader.varint()
        configRevision = try reader.varint()
    }
}

extension ByteReader {
    /// Non-empty text of bounded length.
    fileprivate mutating func name() throws(TidegateError) -> String {
        let bytes = try take(try length(max: SwimPacket.nameBytesMax))
        guard !bytes.isEmpty, let text = String(validating: bytes, as: UTF8.self) else { throw SwimPacket.malformed }
        return text
    }
}
