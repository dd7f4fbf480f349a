package import TidegateCore

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension ControlRequest {
    package init(_ wire: Tidegate_Peer_ControlRequest) {
        self.init(
            method: wire.method, target: wire.target, headers: wire.headers.map { ($0.name, $0.value) },
            body: [UInt8](wire.body))
    }

    package func wire(from greeting: PeerGreeting) -> Tidegate_Peer_ControlRequest {
        var wire = Tidegate_Peer_ControlRequest()
        wire.hello = greeting.hello
        wire.method = method
        wire.target = target
        wire.headers = headers.map(Tidegate_Peer_Header.init)
        wire.body = Data(body)
        return wire
    }
}

/// One piece of an answer to a `ControlRequest`.
package indirect enum ControlPiece: Sendable {
    case head(status: Int, headers: [(name: String, value: String)])
    case part([UInt8])
    case end

    /// `nil` for a kind that only newer nodes know.
    package init?(_ wire: Tidegate_Peer_ControlAnswer) {
        switch wire.kind {
        case .head(let head):
            self = .head(status: Int(head.status), headers: head.headers.map { ($0.name, $0.value) })
        case .part(let bytes): self = .part([UInt8](bytes))
        case .end: self = .end
        case nil: return nil
        }
    }

    package var wire: Tidegate_Peer_ControlAnswer {
        var wire = Tidegate_Peer_ControlAnswer()
        switch self {
        case .head(let status, let headers):
            wire.head.status = UInt32(clamping: status)
            wire.head.headers = headers.map(Tidegate_Peer_Header.init)
        case .part(let bytes): wire.part = Data(bytes)
        case .end: wire.end = Tidegate_Peer_ControlAnswer.End()
        }
        return wire
    }
}

extension Tidegate_Peer_Header {
    fileprivate init(name: String, value: String) {
        self.init()
        self.name = name
        self.value = value
    }
}
