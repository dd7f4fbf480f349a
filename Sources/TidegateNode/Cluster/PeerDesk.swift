internal import Synchronization
internal import TidegateCore
internal import TidegateManagement
internal import TidegateObjects

/// What this node does for its peers.
final class PeerDesk: PeerService {
    private let objects: Objects
    private let transport: any PeerTransport
    private let management = Mutex<ManagementAPI?>(nil)

    init(objects: Objects, transport: any PeerTransport) {
        self.objects = objects
        self.transport = transport
    }

    /// Until then, requests for management are refused.
    func open(_ management: ManagementAPI) { self.management.withLock { $0 = management } }

    func submit(
        _ batch: DeliveryBatch, relay: PeerAddress?, reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        guard let relay else { return objects.submit(batch, reply: reply) }
        transport.submit(batch, to: relay, relay: nil, reply: reply)
    }

    func control(_ request: ControlRequest, through writer: any ControlResponseWriter) async {
        if let management = management.withLock({ $0 }) {
            return await management.respond(to: request, isFromPeer: true, through: writer)
        }
        try? await writer.head(status: 503, headers: [("retry-after", "1")])
        try? await writer.end()
    }

    func answer(_ question: PeerQuestion) async throws -> PeerAnswer { try await Self.answer(question, objects) }

    static func answer(_ question: PeerQuestion, _ objects: Objects) async throws -> PeerAnswer {
        switch question {
        case .endGateway(let gateway): try await objects.deleteAll(of: gateway)
        case .liveRows(let gateway): return .rows(try await objects.liveRows(of: gateway))
        case .giveBack(let account): await objects.giveBack(account: account)
        case .probe: break
        }
        return .done
    }
}
