internal import NIOCore
internal import Synchronization
package import TidegateCore

// Large objects go up and come down in parts, so that a failure repeats a part and not the whole, and no more than a few
// parts are in memory.
extension S3ObjectStore {
    /// Parts of one object under way at once. One that goes up is in memory until the store has it; one that comes down is
    /// not.
    private static let (partsUpAtOnce, partsDownAtOnce) = (2, 4)

    /// Where a large object's bytes come from.
    struct PartSource: Sendable {
        let count: Int
        let read: @Sendable (Range<Int>) async throws(TidegateError) -> ByteBuffer

        init(_ bytes: [UInt8]) {
            count = bytes.count
            read = { range throws(TidegateError) in ByteBuffer(bytes: bytes[range]) }
        }

        init(_ file: SharedFile, count: Int, threads: WorkerThreads) {
            self.count = count
            read = { range async throws(TidegateError) in
                try await threads.run { () throws(TidegateError) in try file.read(range) }
            }
        }
    }

    package func put(contentsOf path: String, at key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        let threads = try fileThreads()
        let file = try await threads.run { () throws(TidegateError) in try SharedFile(reading: path) }
        let source = PartSource(file, count: file.bytes, threads: threads)
        if source.count > settings.partBytes { return try await putInParts(source, at: key) }
        try await put(Array(try await source.read(0..<source.count).readableBytesView), at: key)
    }

    package func get(_ key: String, into path: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        let answer = try await send("HEAD", key: key)
        switch answer.status {
        case 200..<300: break
        case 404: throw TidegateError(.notFound, "There is no object '\(key)'.")
        default: throw refusal(answer)
        }
        let threads = try fileThreads()
        let file = try await threads.run { () throws(TidegateError) in try SharedFile(making: path) }
        do throws(TidegateError) {
            _ = try await inParts(answer.length, atOnce: Self.partsDownAtOnce) { _, range async throws(TidegateError) in
                try await self.read(key, range) { offset, bytes async throws(TidegateError) in
                    try await threads.run { () throws(TidegateError) in
                        try file.write(bytes, at: range.lowerBound + offset)
                    }
                }
            }
        } catch {
            try? await threads.run { () throws(TidegateError) in file.remove() }
            throw error
        }
    }

    /// A part of an object, as it comes.
    private func read(_ key: String, _ range: Range<Int>, into sink: @escaping Sink) async throws(TidegateError) {
        let field = (name: "range", value: "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
        let answer = try await send("GET", key: key, fields: [field], into: sink)
        guard answer.isSuccess else { throw refusal(answer) }
        guard answer.length == range.count else {
            throw TidegateError(.unavailable, "The object store has cut a part of '\(key)'.")
        }
    }

    func putInParts(_ source: PartSource, at key: String) async throws(TidegateError) {
        // Parts cannot be asked to spare a key that exists, so it is looked for. Nothing relies on that (I4 does not need it).
        let present = try await send("HEAD", key: key)
        if present.isSuccess {
            guard try await isSame(source, as: key, length: present.length) else { throw Self.otherBytes(key) }
            return
        }
        await dropLeftovers(of: key)
        let answer = try await send("POST", key: key, query: [("uploads", "")])
        guard answer.isSuccess,
            let upload = S3Document(answer.body, wanted: ["UploadId"]).texts.first?.text
        else { throw refusal(answer) }
        do throws(TidegateError) {
            let tags = try await inParts(source.count, atOnce: Self.partsUpAtOnce) {
                index, range async throws(TidegateError) in
                await self.partsInMemory.enter()
                defer { self.partsInMemory.leave() }
                let query = [("partNumber", String(index + 1)), ("uploadId", upload)]
                let answer = try await self.send("PUT", key: key, query: query, body: try await source.read(range))
                guard answer.isSuccess else { throw self.refusal(answer) }
                return answer.etag
            }
            try await complete(key, upload: upload, tags)
        } catch {
            // What stays otherwise is paid for and shown nowhere.
            _ = try? await send("DELETE", key: key, query: [("uploadId", upload)])
            throw error
        }
    }

    /// Ends uploads of this key that a process began and did not live to end. Another one that is under way, by an outbox
    /// with our numbers (A11), fails by that and begins again.
    private func dropLeftovers(of key: String) async {
        let query = [("prefix", key), ("uploads", "")]
        guard let answer = try? await send("GET", key: nil, query: query), answer.isSuccess else { return }
        var found: String?
        for (element, text) in S3Document(answer.body, wanted: ["Key", "UploadId"]).texts {
            if element == "Key" {
                found = text
            } else if found == key {
                _ = try? await send("DELETE", key: key, query: [("uploadId", text)])
            }
        }
    }

    private func isSame(_ source: PartSource, as key: String, length: Int) async throws(TidegateError) -> Bool {
        guard length == source.count else { return false }
        let parts = try await inParts(length, atOnce: Self.partsUpAtOnce) { _, range async throws(TidegateError) in
            let wanted = try await source.read(range)
            let differs = Atomic<Bool>(false)
            try await self.read(key, range) { offset, bytes throws(TidegateError) in
                if wanted.getSlice(at: offset, length: bytes.readableBytes) != bytes {
                    differs.store(true, ordering: .relaxed)
                }
            }
            return !differs.load(ordering: .relaxed)
        }
        return !parts.contains(false)
    }

    /// - Returns: what `body` returned for each part, in order.
    private func inParts<Value: Sendable>(
        _ count: Int, atOnce: Int, _ body: @escaping @Sendable (Int, Range<Int>) async throws(TidegateError) -> Value
    ) async throws(TidegateError) -> [Value] {
        let starts = Array(stride(from: 0, to: count, by: settings.partBytes))
        let outcome: Result<[Value], TidegateError> = await withTaskGroup(
            of: (Int, Result<Value, TidegateError>).self
        ) { group in
            var values: [Int: Value] = [:]
            var next = 0
            func add() {
                let (index, start) = (next, starts[next])
                let range = start..<min(start + settings.partBytes, count)
                next += 1
                group.addTask {
                    do throws(TidegateError) { return (index, .success(try await body(index, range))) } catch {
                        return (index, .failure(error))
                    }
                }
            }
            while next < min(atOnce, starts.count) { add() }
            for await (index, result) in group {
                switch result {
                case .success(let value): values[index] = value
                case .failure(let error):
                    group.cancelAll()
                    return .failure(error)
                }
                if next < starts.count { add() }
            }
            return .success(starts.indices.compactMap { values[$0] })
        }
        return try outcome.get()
    }

    private func complete(_ key: String, upload: String, _ tags: [String]) async throws(TidegateError) {
        let parts = tags.enumerated().map { index, tag in
            "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag.filter { $0 != "<" && $0 != "&" })</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        let answer = try await send("POST", key: key, query: [("uploadId", upload)], body: ByteBuffer(string: body))
        // The head comes before the work is done: a failure may stand in the body of a 200.
        let isWhole = S3Document(answer.body, wanted: ["Code"]).texts.isEmpty
        guard answer.isSuccess, isWhole else { throw refusal(answer) }
    }
}
