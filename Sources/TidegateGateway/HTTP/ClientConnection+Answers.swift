internal import NIOCore
internal import NIOHTTP1

// What responders call.
extension ClientConnection {
    /// Parts of the request wait until `releaseRequest`.
    func holdRequest() { isHeld = true }

    func releaseRequest() {
        guard isHeld else { return }
        isHeld = false
        sendContinueIfOwed()
        deliverWaiting()
    }

    /// Stops reading from the socket; what was read is still handed over.
    func pauseRequest() { isPaused = true }

    func resumeRequest() {
        guard isPaused else { return }
        isPaused = false
        times.bodyResumed(.now())
        readIfWanted()
    }

    /// Opens the answer. `headers` hold no hop-by-hop field; `content-length` when the size is known.
    func startAnswer(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, hasLength: Bool) {
        guard let context, answer == .none else { return }
        var headers = headers
        answer = .open
        owesContinue = false
        if (requestOpen && !restIsShort) || loop.isDraining { keepAlive = false }
        endsByClose = false
        isBodyless = method == .HEAD || !status.mayHaveResponseBody
        if !isBodyless, !hasLength {
            if isHTTP11 {
                headers.add(name: "transfer-encoding", value: "chunked")
            } else {
                keepAlive = false
                endsByClose = true
            }
        }
        if !keepAlive {
            headers.add(name: "connection", value: "close")
        } else if !isHTTP11 {
            headers.add(name: "connection", value: "keep-alive")
        }
        let head = HTTPResponseHead(version: version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        needsFlush = true
    }

    func write(_ bytes: ByteBuffer) {
        guard let context, answer == .open, !isBodyless, bytes.readableBytes > 0 else { return }
        context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        needsFlush = true
    }

    func flush() {
        guard needsFlush, let context else { return }
        needsFlush = false
        context.flush()
        times.flushed(.now(), writable: context.channel.isWritable)
    }

    /// Ends the answer well and goes on with the next request.
    func endAnswer(trailers: HTTPHeaders? = nil) {
        guard let context, answer == .open else { return }
        answer = .ended
        responder = nil
        isHeld = false
        isPaused = false
        if keepAlive, !loop.isDraining {
            context.write(wrapOutboundOut(.end(trailers)), promise: nil)
            needsFlush = true
            finishRequest()
            deliverWaiting()
        } else {
            closing = true
            needsFlush = false
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenComplete { [self] _ in answerSent() }
            context.writeAndFlush(wrapOutboundOut(.end(trailers)), promise: promise)
        }
    }

    /// Breaks the connection off so that no client takes the answer for whole.
    func cutAnswer() {
        responder = nil
        close()
    }

    /// Sends what was written, then breaks off without the answer's proper end.
    func flushAndCut() {
        guard let context, context.channel.isActive else { return cutAnswer() }
        responder = nil
        closing = true
        needsFlush = false
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in endsByClose ? reset() : close() }
        // An empty part: nothing on the wire, but its promise comes after all that was written before it.
        let nothing = context.channel.allocator.buffer(capacity: 0)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(nothing))), promise: promise)
    }

    /// A whole answer of our own.
    func answer(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, body: ByteBuffer) {
        var headers = headers
        if status.mayHaveResponseBody { headers.add(name: "content-length", value: String(body.readableBytes)) }
        startAnswer(status, headers, hasLength: true)
        write(body)
        endAnswer()
        flush()
    }

    /// No further request is taken on this connection.
    func refuseKeepAlive() { keepAlive = false }
}
