internal import FoundationEssentials
internal import TidegateCore

// Large objects go up in parts, so that a failure repeats a part and not the whole.
extension S3ObjectStore {
    /// Parts under way at once.
    private static let partsAtOnce = 4

    func putInParts(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
        let answer = try await send("POST", key: key, query: [("uploads", "")])
        guard answer.isSuccess,
            let upload = S3Document(answer.body, wanted: ["UploadId"]).texts.first?.text
        else { throw refusal(answer) }
        do throws(TidegateError) {
            let tags = try await parts(of: bytes, key: key, upload: upload)
            try await complete(key, upload: upload, tags)
        } catch {
            // What stays otherwise is paid for and shown nowhere.
            _ = try? await send("DELETE", key: key, query: [("uploadId", upload)])
            throw error
        }
    }

    /// - Returns: the parts' tags, in order.
    private func parts(of bytes: [UInt8], key: String, upload: String) async throws(TidegateError) -> [String] {
        let starts = Array(stride(from: 0, to: bytes.count, by: settings.partBytes))
        let outcome: Result<[String], TidegateError> = await withTaskGroup(
            of: (Int, Result<String, TidegateError>).self
        ) { group in
            var tags = [String](repeating: "", count: starts.count)
            var next = 0
            func add() {
                let (index, start) = (next, starts[next])
                next += 1
                group.addTask {
                    let part = Array(bytes[start..<min(start + self.settings.partBytes, bytes.count)])
                    do throws(TidegateError) {
                        let query = [("partNumber", String(index + 1)), ("uploadId", upload)]
                        let answer = try await self.send("PUT", key: key, query: query, body: part)
                        guard answer.isSuccess else { throw self.refusal(answer) }
                        return (index, .success(answer.etag))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            while next < min(Self.partsAtOnce, starts.count) { add() }
            for await (index, result) in group {
                switch result {
                case .success(let tag): tags[index] = tag
                case .failure(let error):
                    group.cancelAll()
                    return .failure(error)
                }
                if next < starts.count { add() }
            }
            return .success(tags)
        }
        return try outcome.get()
    }

    private func complete(_ key: String, upload: String, _ tags: [String]) async throws(TidegateError) {
        let parts = tags.enumerated().map { index, tag in
            "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag.filter { $0 != "<" && $0 != "&" })</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        let answer = try await send("POST", key: key, query: [("uploadId", upload)], body: Array(body.utf8))
        // The head comes before the work is done: a failure may stand in the body of a 200.
        let isWhole = S3Document(answer.body, wanted: ["Code"]).texts.isEmpty
        guard answer.isSuccess, isWhole else { throw refusal(answer) }
    }
}
