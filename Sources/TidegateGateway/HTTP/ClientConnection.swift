internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

/// One client's connection: hands requests over one at a time and frames their answers.
///
/// Pipelined requests wait in `waiting`, and nothing more is read while any do. All state belongs to the channel's loop.
final class ClientConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    let loop: LoopState
    /// Valid from `handlerAdded` to `handlerRemoved`.
    var context: ChannelHandlerContext?

    var responder: (any RequestResponder)?
    var waiting = CircularBuffer<HTTPServerRequestPart>()
    var isDelivering = false
    /// The responder cannot take the request yet: its parts wait.
    var isHeld = false
    /// The way on is full: nothing is read.
    var isPaused = false
    var readWanted = false

    var requestOpen = false
    var answer = AnswerState.none
    var owesContinue = false
    var keepAlive = true
    var isBodyless = false
    /// The answer has no other end than the connection's.
    var endsByClose = false
    var hadParts = false
    /// Where the running request goes: `nil` is the control plane.
    private var target: RequestTarget?
    var version = HTTPVersion.http1_1
    var method = HTTPMethod.GET
    /// What is left of the request may be read and thrown away when the answer comes early.
    var restIsShort = false
    var inputBroken = false
    var closing = false
    var bodyBytes = 0
    var bodyBytesMax = Int.max
    var needsFlush = false
    var times: ConnectionTimes

    static let discardedBytesMax = 256 * 1024
    enum AnswerState { case none, open, ended }

    init(loop: LoopState) {
        self.loop = loop
        times = ConnectionTimes(now: .now(), limits: loop.times)
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }
    var isGone: Bool { context == nil }
    var eventLoop: any EventLoop { loop.eventLoop }
    var isHTTP11: Bool { version.minor >= 1 }
    var isIdle: Bool { responder == nil && !requestOpen && answer == .none && waiting.isEmpty }
}

// MARK: Requests
extension ClientConnection {
    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { opened() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { gone() }

    func channelActive(context: ChannelHandlerContext) {
        opened()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard !closing else { return times.discarded(part) }
        hadParts = true
        if isHeld || !waiting.isEmpty || (responder != nil && !requestOpen) || isDelivering {
            waiting.append(part)
        } else {
            deliver(part)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if requestOpen {
            times.progressed(.now(), bodyBytes: bodyBytes)
        } else if isIdle, !hadParts {
            times.bytesArrived(.now())
        }
        hadParts = false
        responder?.requestBurstEnded()
        flush()
        if closing, times.discardedBytes > 1 << 20 { close() }
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if (isPaused || isHeld || !waiting.isEmpty) && !closing { readWanted = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        times.writability(context.channel.isWritable, .now())
        responder?.clientWritabilityChanged(context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let parse = error as? HTTPParserError else {
            // What comes after malformed bytes is not looked at.
            return closing && error is ByteToMessageDecoderError ? () : close()
        }
        guard !inputBroken, !closing else { return }
        loop.metrics.count(.malformedRequest)
        inputBroken = true
        keepAlive = false
        // A running request that came whole is answered first, and the connection ends with its answer.
        guard responder == nil || requestOpen else { return }
        refuse(parse == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest)
    }

    private func opened() {
        guard !times.isOpen else { return }
        times.isOpen = true
        loop.add(self)
    }

    private func gone() {
        guard context != nil else { return }
        context = nil
        loop.remove(self)
        waiting.removeAll()
        let left = responder
        responder = nil
        left?.clientLeft()
    }

    private func deliver(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head): begin(head)
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            guard bodyBytes <= bodyBytesMax else { return refuse(.payloadTooLarge) }
            responder?.requestBody(bytes)
        case .end:
            requestOpen = false
            responder?.requestEnded()
            if answer == .ended { finishRequest() }
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        requestOpen = true
        answer = .none
        version = head.version
        method = head.method
        bodyBytes = 0
        target = RequestTarget(head.uri)
        bodyBytesMax =
            target == nil ? loop.settings.controlBodyBytesMax : loop.settings.requestBodyBytesMax
        times.requestBegan(.now())
        keepAlive = head.isKeepAlive && !loop.isDraining
        let framing = RequestFraming(head, limits: loop.settings, bodyBytesMax: bodyBytesMax)
        if let refusal = framing.refusal { return refuse(refusal) }
        if framing.endsConnection || inputBroken { keepAlive = false }
        restIsShort = !framing.expectsContinue && (framing.length ?? Int.max) <= Self.discardedBytesMax
        owesContinue = framing.expectsContinue
        let responder = loop.route(head, target, framing, self)
        // A responder that answers at once has done so before it is known here.
        guard answer == .none, !closing, context != nil else { return }
        self.responder = responder
        sendContinueIfOwed()
    }

    func sendContinueIfOwed() {
        guard owesContinue, requestOpen, !isHeld, answer == .none, let context else { return }
        owesContinue = false
        let head = HTTPResponseHead(version: version, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }

    /// Refuses the running request and the rest of the connection.
    func refuse(_ status: HTTPResponseStatus) {
        let left = responder
        responder = nil
        left?.clientLeft()
        guard answer == .none else { return close() }
        // A head that could not be read belongs to nobody; most of what comes is for gateways.
        let isControl = requestOpen && target == nil
        keepAlive = false
        requestOpen = true
        var headers: HTTPHeaders = ["content-type": GatewayFailure.contentType]
        if !isControl {
            let id = RecordID(milliseconds: loop.services.clock.milliseconds(), random: &loop.random).description
            headers.add(name: "cf-aig-event-id", value: id)
            headers.add(name: "cf-aig-request-id", value: id)
        }
        if status == .methodNotAllowed { headers.add(name: "allow", value: "GET, POST, PUT, PATCH, DELETE, HEAD") }
        let body = isControl ? HTTPRefusal.control(status) : HTTPRefusal.gateway(status)
        answer(status, headers, body: loop.allocator.buffer(bytes: body))
    }

    /// Both directions of the running request may be done.
    func finishRequest() {
        guard answer == .ended, !requestOpen, !closing else { return }
        responder = nil
        answer = .none
        method = .GET
        times.requestEnded(.now())
        deliverWaiting()
        readIfWanted()
    }

    func deliverWaiting() {
        guard !isDelivering else { return }
        isDelivering = true
        var delivered = false
        while !isHeld, !closing, context != nil, let part = waiting.first {
            if case .head = part, responder != nil || requestOpen || answer != .none { break }
            waiting.removeFirst()
            delivered = true
            deliver(part)
        }
        isDelivering = false
        if delivered { responder?.requestBurstEnded() }
        readIfWanted()
    }

    func readIfWanted() {
        guard readWanted, !isPaused, !isHeld, waiting.isEmpty, let context else { return }
        readWanted = false
        context.read()
    }

    /// The last answer is with the kernel: ends the connection so that the client can still read it.
    func answerSent() {
        guard let context else { return }
        guard requestOpen || !waiting.isEmpty || inputBroken, !loop.isTLS else { return close() }
        waiting.removeAll()
        responder = nil
        times.lingers(.now())
        context.close(mode: .output, promise: nil)
        if readWanted {
            readWanted = false
            context.read()
        }
    }

    /// Closes so that the client sees an error where a plain close would look like the answer's end.
    func reset() {
        guard let options = context?.channel as? any SocketOptionProvider else { return close() }
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { [self] _ in close() }
    }

    func close() {
        closing = true
        context?.close(promise: nil)
    }
}

// MARK: Time
extension ClientConnection {
    /// Called every tick.
    func check(_ now: NIODeadline) {
        guard context != nil else { return }
        let waitsForBody = requestOpen && !isPaused && !isHeld && waiting.isEmpty
        switch times.verdict(now, idle: isIdle, waitsForBody: waitsForBody, bodyBytes: bodyBytes) {
        case .fine: break
        case .closeQuietly: close()
        case .refuse:
            loop.metrics.count(.clientTimeout)
            keepAlive = false
            if answer == .none { refuse(.requestTimeout) } else { close() }
        }
    }

    /// Ends the connection if nothing runs on it; otherwise its answer will say that it ends.
    func drain() {
        if isIdle { close() } else { keepAlive = false }
    }
}
