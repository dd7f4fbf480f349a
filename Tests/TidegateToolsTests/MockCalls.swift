import Foundation
import NIOCore
import NIOHTTP1

@testable import TidegateTools

/// A call to the mock's core, and readings of its answers.
enum MockCalls {
    static func request(
        _ path: String, _ body: String, method: HTTPMethod = .POST, headers: HTTPHeaders = [:]
    ) -> MockRequest {
        MockRequest(
            head: HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers),
            body: ByteBuffer(string: body))
    }

    static func chat(_ more: String = "", nonce: String = "abc-1") -> String {
        "{\"model\": \"gpt-4o-mini\", \"messages\":[{\"role\":\"user\",\"content\":\"nonce:\(nonce) hi\"}]\(more)}"
    }

    static func json(_ answer: MockAnswer) throws -> [String: Any] { try object(Data(answer.bytes)) }

    static func object(_ data: Data) throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    /// The events of a stream: name and data. Every event ends with an empty line.
    static func events(_ answer: MockAnswer) -> [(name: String?, data: String)] {
        let text = String(decoding: answer.bytes, as: UTF8.self).replacing("\r\n", with: "\n")
        return text.split(separator: "\n\n").map { block in
            let lines = block.split(separator: "\n")
            let name = lines.first { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) }
            return (name, lines.filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }.joined())
        }
    }
}

extension [String: Any] {
    func at(_ path: String) -> Any? {
        path.split(separator: ".").reduce(self as Any?) { value, key in
            if let index = Int(key) {
                return (value as? [Any]).flatMap { $0.indices.contains(index) ? $0[index] : nil }
            }
            return (value as? [String: Any])?[String(key)]
        }
    }
    func int(_ path: String) -> Int? { at(path) as? Int }
    func text(_ path: String) -> String? { at(path) as? String }
}
