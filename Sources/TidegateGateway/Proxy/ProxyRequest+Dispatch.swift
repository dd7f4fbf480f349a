internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

// From an admitted call to its plan.
extension ProxyRequest {
    func dispatch(_ view: GatewayView) {
        if framing.wantsWebSocket { return refuse(.noWebSocket) }
        switch target.provider {
        case "": universal(view)
        case "compat": compat(view)
        default: native(view)
        }
    }

    private func options(_ view: GatewayView, step: StepList.Step? = nil) -> GatewayOptions {
        // Most calls carry no option: the fields are not searched then.
        GatewayOptions.resolve(
            entry: step, request: framing.hasOptions ? head.headers : HTTPHeaders(), gateway: view.settings)
    }

    // MARK: Provider-native

    private func native(_ view: GatewayView) {
        let providers = loop.providers
        let rest =
            keptHere.contains(Credential.queryKey) ? target.rest(withoutQueryItem: "key") : String(target.rest)
        guard
            let place = providers.resolve(
                slug: target.provider, rest: rest, account: target.account, headers: head.headers)
        else { return refuse(providers.knows(target.provider) ? .noRoute : .invalidProvider) }
        let plan = StepPlan(
            target: place, method: head.method,
            headers: ForwardedHeaders.upstream(head.headers, to: place, dropping: keptHere),
            body: .streamed(streamedFraming), options: options(view), requestContentType: framing.contentType)
        guard plan.options.retry.maxAttempts > 1, framing.length != 0 else { return stream(plan) }
        collect(otherwise: plan.once) { _, body in
            var plan = plan
            plan.body = .whole(body)
            return [plan]
        }
    }

    private var streamedFraming: UpstreamBody {
        guard let length = framing.length else { return .chunked }
        if length > 0 || framing.announcesBody { return .length(length) }
        switch head.method {
        case .POST, .PUT, .PATCH: return .length(0)
        default: return .none
        }
    }

    // MARK: OpenAI's format for all

    private func compat(_ view: GatewayView) {
        var path = target.rest.prefix { $0 != "?" }
        if path.hasPrefix("v1/") { path = path.dropFirst(3) }
        switch (path, head.method) {
        case ("chat/completions", .POST):
            kind = .compat
            let options = options(view)
            collect(otherwise: nil) { request, body throws(GatewayFailure) in
                [
                    try request.compatPlan(
                        body, headers: request.head.headers, dropping: request.keptHere, options: options)
                ]
            }
        case ("models", .GET): listModels()
        case ("chat/completions", _), ("models", _): refuse(.wrongMethod)
        default: refuse(.noRoute)
        }
    }

    private func compatPlan(
        _ body: ByteBuffer, headers: HTTPHeaders, dropping: Set<String>, options: GatewayOptions
    ) throws(GatewayFailure) -> StepPlan {
        let fields = body.withUnsafeReadableBytes { RequestFields(body: $0) }
        guard let fields else { throw .badChatFormat("the body is no JSON object") }
        let route = try loop.providers.resolveCompat(
            model: fields.model, account: target.account, headers: headers)
        let renamed = body.withUnsafeReadableBytes { fields.body($0, renamingModelTo: route.model) }
        guard let renamed else { throw .badChatFormat }
        return StepPlan(
            target: route.target, method: .POST,
            headers: ForwardedHeaders.upstream(headers, to: route.target, dropping: dropping),
            body: .whole(loop.allocator.buffer(bytes: renamed)), options: options,
            requestContentType: headers.first(name: "content-type") ?? GatewayFailure.contentType, model: route.model,
            shownBody: body)
    }

    // MARK: Universal

    private func universal(_ view: GatewayView) {
        guard head.method == .POST else { return refuse(.wrongMethod) }
        kind = .universal
        collect(otherwise: nil) { request, body throws(GatewayFailure) in
            let list: Result<StepList, GatewayFailure> = body.withUnsafeReadableBytes { bytes in
                do throws(GatewayFailure) { return .success(try StepList(parsing: bytes)) } catch {
                    return .failure(error)
                }
            }
            var plans: [StepPlan] = []
            for step in try list.get().steps { plans.append(try request.plan(step, of: body, view)) }
            return plans
        }
    }

    private func plan(
        _ step: StepList.Step, of body: ByteBuffer, _ view: GatewayView
    ) throws(GatewayFailure) -> StepPlan {
        var headers = step.headers
        if !headers.contains(name: "content-type") {
            headers.add(name: "Content-Type", value: GatewayFailure.contentType)
        }
        let query =
            body.getSlice(at: body.readerIndex + step.query.lowerBound, length: step.query.count) ?? ByteBuffer()
        let options = options(view, step: step)
        if step.provider == "compat" {
            guard step.endpoint == "chat/completions" || step.endpoint == "v1/chat/completions" else { throw .noRoute }
            return try compatPlan(
                query, headers: headers, dropping: fieldsWithOurTokens(headers, ["authorization"]), options: options)
        }
        let providers = loop.providers
        let slug = step.provider[...]
        guard
            let place = providers.resolve(
                slug: slug, rest: step.endpoint, account: target.account, headers: headers)
        else { throw providers.knows(slug) ? .noRoute : .invalidProvider }
        return StepPlan(
            target: place, method: .POST,
            headers: ForwardedHeaders.upstream(
                headers, to: place, dropping: fieldsWithOurTokens(headers, place.authHeaderNames)),
            body: .whole(query), options: options,
            requestContentType: headers.first(name: "content-type") ?? "")
    }

    /// Fields of a step that hold a gateway token instead of a provider's key: no provider may see it.
    private func fieldsWithOurTokens(_ headers: HTTPHeaders, _ names: [String]) -> Set<String> {
        var found: Set<String> = []
        for name in names {
            guard let value = headers.first(name: name) else { continue }
            let credential = Credential(value, from: name)
            if credential.looksLikeOurs,
                loop.services.directory.cachedToken(account: target.account, digest: credential.digest) != nil
            {
                found.insert(name)
            }
        }
        return found
    }
}

extension StepPlan {
    /// The same without retries.
    fileprivate var once: StepPlan {
        var plan = self
        let retry = options.retry
        plan.options.retry = RetryPolicy(
            maxAttempts: 1, delayMs: retry.delayMs, backoff: retry.backoff, requestTimeoutMs: retry.requestTimeoutMs)
        return plan
    }
}

extension GatewayFailure {
    /// Our own until WebSockets are served.
    static let noWebSocket = GatewayFailure(
        status: 501, code: 7001, message: "This build does not serve WebSockets. Call the same path over HTTP.")
    static let wrongMethod = GatewayFailure(
        status: 405, code: 7000, message: "This endpoint does not take that method.")
    /// The gateway's policy for a full outbox is to refuse.
    static let notLogged = GatewayFailure(
        status: 429, code: 2003,
        message: "The log of this gateway takes no rows now, and its policy is to refuse calls it cannot log.")
}
