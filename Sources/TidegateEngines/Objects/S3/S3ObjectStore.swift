internal import AsyncHTTPClient
internal import Crypto
internal import FoundationEssentials
package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization
package import TidegateCore

/// Objects in a bucket of an S3-compatible store.
///
/// Puts ask the store to refuse a key that exists (`If-None-Match`), and what it refuses is compared: the same bytes are no
/// error, other bytes are. A store that does not know the condition overwrites; nothing relies on it (protocol, first idea).
package final class S3ObjectStore: ObjectStore {
    let settings: S3Settings
    private let signature: S3Signature
    private let base: (url: String, host: String, path: String)
    private let http: HTTPClient
    private let clock: any WallClock
    private let logger: Logger
    private let knowsConditions = Atomic<Bool>(true)
    private let hasFailed = Atomic<Bool>(false)
    /// Over all objects: with parts of 8 MiB, 24 MiB.
    let partsInMemory = PlaceGate(places: 3)
    private let threads = Mutex<WorkerThreads?>(nil)
    /// Whether the last request had an answer that means something.
    package var isReachable: Bool { !hasFailed.load(ordering: .relaxed) }

    /// Of one try: the PUT timeout of protocol §12.
    private static let timeout = TimeAmount.seconds(10)
    private static let objectBytesMax = 1 << 30
    private static let pauseMs: ClosedRange<Int64> = 50...2_000
    private static let pageMax = 1_000

    package init(_ settings: S3Settings, clock: any WallClock, logger: Logger) {
        self.settings = settings
        self.clock = clock
        self.logger = logger
        signature = S3Signature(
            accessKey: settings.accessKey, secretKey: settings.secretKey, region: settings.region)
        let scheme = settings.endpoint.hasPrefix("https:") ? "https://" : "http://"
        let authority = settings.endpoint.dropFirst(scheme.count)
        switch settings.style {
        case .path: base = (settings.endpoint, String(authority), "/" + settings.bucket)
        case .virtual:
            let host = "\(settings.bucket).\(authority)"
            base = (scheme + host, host, "")
        }
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .seconds(2))
        configuration.decompression = .disabled
        configuration.dnsOverride = settings.addresses
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    package func close() async {
        try? await http.shutdown()
        threads.withLock { threads in
            defer { threads = nil }
            return threads
        }?.close()
    }

    /// For the files of large objects; made when the first one comes.
    func fileThreads() throws(TidegateError) -> WorkerThreads {
        let result: Result<WorkerThreads, TidegateError> = threads.withLock { threads in
            if let threads { return .success(threads) }
            do throws(TidegateError) {
                let made = try WorkerThreads(name: "tg-s3-files", count: 2, jobsMax: 1_024)
                threads = made
                return .success(made)
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    package func put(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        if bytes.count > settings.partBytes { return try await putInParts(PartSource(bytes), at: key) }
        try await hedge { () async throws(TidegateError) in try await self.putWhole(bytes, at: key) }
    }

    private func putWhole(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
        let digest = Data(Insecure.MD5.hash(data: bytes)).base64EncodedString()
        var fields = [(name: "content-md5", value: digest)]
        let isConditional = knowsConditions.load(ordering: .relaxed)
        if isConditional { fields.append((name: "if-none-match", value: "*")) }
        let answer = try await send("PUT", key: key, fields: fields, body: ByteBuffer(bytes: bytes))
        switch answer.status {
        case 200..<300: return
        case 412:
            guard try await get(key) == bytes else { throw Self.otherBytes(key) }
        case 501 where isConditional:
            logger.notice("The object store knows no conditional puts; going on without")
            knowsConditions.store(false, ordering: .relaxed)
            try await putWhole(bytes, at: key)
        default: throw refusal(answer)
        }
    }

    /// Does it once more when it takes long: the same bytes to the same key may be put twice, and the slow one of two
    /// requests is seldom slow for the object's sake.
    private func hedge(
        _ work: @escaping @Sendable () async throws(TidegateError) -> Void
    ) async throws(TidegateError) {
        let outcome = await withTaskGroup(of: Result<Void, TidegateError>?.self) { group in
            @Sendable func attempt() async -> Result<Void, TidegateError> {
                do throws(TidegateError) { return .success(try await work()) } catch { return .failure(error) }
            }
            let pause = settings.hedgeAfter
            group.addTask { await attempt() }
            group.addTask {
                guard (try? await Task.sleep(for: pause)) != nil else { return nil }
                return await attempt()
            }
            var last: Result<Void, TidegateError>?
            for await result in group {
                last = result ?? last
                if case .success? = result { break }
                // The first has failed for good, after all its tries: what has not begun need not begin.
                if case .failure? = result { group.cancelAll() }
            }
            group.cancelAll()
            return last
        }
        try (outcome ?? .failure(TidegateError(.unavailable, "The put was given up."))).get()
    }

    static func otherBytes(_ key: String) -> TidegateError {
        TidegateError(.conflict, "'\(key)' holds other bytes: a key has one content only.")
    }

    package func get(_ key: String) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(key)
        return try await read(key, fields: [])
    }

    package func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(key)
        try ObjectKeyRule.check(range)
        let last = range.upperBound == Int.max ? "" : String(range.upperBound - 1)
        if range.isEmpty { return [] }
        return try await read(key, fields: [(name: "range", value: "bytes=\(range.lowerBound)-\(last)")])
    }

    private func read(_ key: String, fields: [(name: String, value: String)]) async throws(TidegateError) -> [UInt8] {
        let answer = try await send("GET", key: key, fields: fields)
        switch answer.status {
        case 200..<300: return answer.body
        case 404: throw TidegateError(.notFound, "There is no object '\(key)'.")
        case 416: return []  // the range begins behind the object's end
        default: throw refusal(answer)
        }
    }

    package func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String] {
        var keys: [String] = []
        var after = after
        while keys.count < limit {
            let count = min(limit - keys.count, Self.pageMax)
            var query = [
                (name: "list-type", value: "2"), (name: "max-keys", value: String(count)),
                (name: "prefix", value: prefix),
            ]
            if let after, !after.isEmpty { query.append((name: "start-after", value: after)) }
            let answer = try await send("GET", key: nil, query: query)
            guard answer.isSuccess else { throw refusal(answer) }
            let found = S3Document(answer.body, wanted: ["Key", "IsTruncated"]).texts
            let page = found.filter { $0.element == "Key" }.map(\.text)
            keys += page
            guard let last = page.last, found.contains(where: { $0.element == "IsTruncated" && $0.text == "true" })
            else { break }
            after = last
        }
        return keys
    }

    package func delete(_ key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        let answer = try await send("DELETE", key: key)
        guard answer.isSuccess || answer.status == 404 else { throw refusal(answer) }
    }

    /// Makes the bucket; one that is ours already is no error.
    package func createBucket() async throws(TidegateError) {
        let answer = try await send("PUT", key: nil)
        // 409 when it is there already, ours or somebody else's: the first object will tell.
        guard answer.isSuccess || answer.status == 409 else { throw refusal(answer) }
    }

    // MARK: - Requests

    /// Takes an answer's body part by part, each with its place; from the start again when a try is repeated.
    typealias Sink = @Sendable (Int, ByteBuffer) async throws(TidegateError) -> Void

    /// Asks until there is an answer that means something. Every request may be made twice: a put repeats its bytes.
    func send(
        _ method: String, key: String?, query: [(name: String, value: String)] = [],
        fields: [(name: String, value: String)] = [], body: ByteBuffer = ByteBuffer(), into sink: Sink? = nil
    ) async throws(TidegateError) -> S3Answer {
        var last: (any Error)?
        for attempt in 1...settings.attemptsMax {
            do {
                let answer = try await ask(method, key: key, query: query, fields: fields, body: body, into: sink)
                guard answer.isRetried, attempt < settings.attemptsMax, key != nil || answer.status != 409 else {
                    hasFailed.store(answer.isRetried, ordering: .relaxed)
                    return answer
                }
                last = TidegateError(.unavailable, answer.complaint)
            } catch is CancellationError {
                throw TidegateError(.unavailable, "The request to the object store was given up.")
            } catch {
                last = error
            }
            if attempt < settings.attemptsMax { await pause(behind: attempt) }
        }
        hasFailed.store(true, ordering: .relaxed)
        throw TidegateError(
            .unavailable, "The object store at \(settings.endpoint) does not answer: check --store and the server.",
            cause: last)
    }

    private func ask(
        _ method: String, key: String?, query: [(name: String, value: String)],
        fields: [(name: String, value: String)], body: ByteBuffer, into sink: Sink?
    ) async throws -> S3Answer {
        let path = base.path + (key.map { "/" + $0 } ?? (base.path.isEmpty ? "/" : ""))
        let hash = body.withUnsafeReadableBytes { S3Signature.hash($0) }
        let stamp = S3Signature.stamp(milliseconds: clock.milliseconds())
        let headers =
            fields + [("host", base.host), ("x-amz-content-sha256", hash), ("x-amz-date", stamp)]
        let signed = S3Signature.Request(
            method: method, path: path, query: query, headers: headers, payloadHash: hash)
        let suffix = query.isEmpty ? "" : "?" + S3Signature.canonical(query)
        var request = HTTPClientRequest(url: base.url + path + suffix)
        request.method = HTTPMethod(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.headers.add(name: "authorization", value: signature.authorization(for: signed, at: stamp))
        if method == "PUT" || method == "POST" { request.body = .bytes(body) }
        let response = try await http.execute(request, timeout: Self.timeout)
        var bytes = ByteBuffer()
        var length = response.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        if let sink, (200..<300).contains(response.status.code) {
            var offset = 0
            for try await part in response.body {
                try await sink(offset, part)
                offset += part.readableBytes
            }
            length = offset
        } else {
            bytes = try await response.body.collect(upTo: Self.objectBytesMax)
        }
        return S3Answer(
            status: Int(response.status.code), body: Array(bytes.readableBytesView),
            etag: response.headers.first(name: "etag") ?? "",
            length: length)
    }

    /// Doubles from try to try, with jitter, so that nodes that failed together do not come back together.
    private func pause(behind attempt: Int) async {
        let longest = min(Self.pauseMs.lowerBound << Int64(attempt - 1), Self.pauseMs.upperBound)
        try? await Task.sleep(for: .milliseconds(Int64.random(in: longest / 2...longest)))
    }

    func refusal(_ answer: S3Answer) -> TidegateError {
        switch answer.status {
        case 401, 403:
            TidegateError(
                .invalidConfiguration,
                "The object store refuses us: \(answer.complaint). Check TIDEGATE_S3_ACCESS_KEY and …_SECRET_KEY.")
        case 404:
            TidegateError(
                .invalidConfiguration, "The object store has no bucket '\(settings.bucket)': \(answer.complaint).")
        default: TidegateError(.unavailable, "The object store answered \(answer.complaint).")
        }
    }
}
