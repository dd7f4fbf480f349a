internal import Hummingbird
internal import Logging
internal import TidegateCore

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// What Hummingbird keeps of one request. There is no channel: requests come from the data plane's listener.
struct ManagementContext: RequestContext {
    struct Source: RequestContextSource {
        let logger: Logger
        /// Another node of the cluster has let the call in already, and found that this one should answer it.
        var isFromPeer = false
        var request: ControlRequest
    }

    var coreContext: CoreRequestContextStorage
    let isFromPeer: Bool
    /// As it came, for whoever answers it in our place.
    let request: ControlRequest

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        isFromPeer = source.isFromPeer
        request = source.request
    }
}
