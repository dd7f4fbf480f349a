package import TidegateCore

extension PeerQuestion {
    package init(_ wire: Tidegate_Peer_AskRequest) throws(TidegateError) {
        switch wire.question {
        case .endGateway(let question): self = .endGateway(GatewayUID(bits: try UInt128(wire: question.gateway)))
        case .liveRows(let question): self = .liveRows(GatewayUID(bits: try UInt128(wire: question.gateway)))
        case .giveBack(let question): self = .giveBack(account: question.account)
        case .probe: self = .probe
        case nil:
            throw TidegateError(.invalidRequest, "a question that this node does not know: is the one that asks newer?")
        }
    }

    package func wire(from greeting: PeerGreeting) -> Tidegate_Peer_AskRequest {
        var wire = Tidegate_Peer_AskRequest()
        wire.hello = greeting.hello
        switch self {
        case .endGateway(let gateway): wire.endGateway.gateway = gateway.bits.wire
        case .liveRows(let gateway): wire.liveRows.gateway = gateway.bits.wire
        case .giveBack(let account): wire.giveBack.account = account
        case .probe: wire.probe = Tidegate_Peer_AskRequest.Probe()
        }
        return wire
    }
}

extension Tidegate_Peer_AskAnswer {
    package init(_ answer: PeerAnswer) {
        self.init()
        switch answer {
        case .done: done = Tidegate_Peer_AskAnswer.Done()
        case .rows(let count): rows = count
        }
    }

    package init(_ failure: TidegateError) {
        self.init()
        self.failure.code = failure.code.rawValue
        self.failure.message = failure.message
    }

    /// - Throws: what the peer answered instead of an answer.
    package func peerAnswer() throws(TidegateError) -> PeerAnswer {
        switch answer {
        case .done: return .done
        case .rows(let count): return .rows(count)
        case .failure(let failure):
            throw TidegateError(TidegateError.Code(rawValue: failure.code) ?? .internalError, failure.message)
        case nil: throw TidegateError(.internalError, "the peer gave an answer that this node does not know")
        }
    }
}
