package import GRPCCore
package import TidegateCore

/// Our errors as statuses of calls between nodes, and back. Our own code travels beside the status.
extension TidegateError {
    private static let codeKey = "tidegate-code"

    package var rpcError: RPCError {
        RPCError(code: code.rpcCode, message: message, metadata: [Self.codeKey: "\(code.rawValue)"])
    }

    /// What another node, or the transport on its behalf, made of a call.
    package init(_ error: any Error, peer: PeerAddress) {
        if let error = error as? TidegateError {
            self = error
        } else if let error = error as? RPCError,
            let text = error.metadata[stringValues: Self.codeKey].first(where: { _ in true }),
            let code = Code(rawValue: text)
        {
            self.init(code, error.message, cause: error)
        } else {
            self.init(.unavailable, "node \(peer.node) at \(peer.host):\(peer.port) does not answer", cause: error)
        }
    }
}

extension TidegateError.Code {
    fileprivate var rpcCode: RPCError.Code {
        switch self {
        case .invalidRequest, .invalidConfiguration: .invalidArgument
        case .unauthorized: .unauthenticated
        case .forbidden: .permissionDenied
        case .notFound, .gone: .notFound
        case .conflict, .notOwner: .failedPrecondition
        case .overloaded, .quotaExceeded: .resourceExhausted
        case .corrupt: .dataLoss
        case .unavailable: .unavailable
        case .deadlineExceeded: .deadlineExceeded
        case .unknownOutcome: .aborted
        case .internalError: .internalError
        }
    }
}
