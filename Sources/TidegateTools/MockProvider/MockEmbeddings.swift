internal import Foundation
internal import NIOCore

/// Embeddings in OpenAI's format: unit-less vectors that depend on the input's bytes alone, as numbers or in base64.
enum MockEmbeddings {
    private struct Body: Decodable {
        enum Input: Decodable {
            case texts([String]), tokens([[Int]])

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let text = try? container.decode(String.self) {
                    self = .texts([text])
                } else if let texts = try? container.decode([String].self) {
                    self = .texts(texts)
                } else if let tokens = try? container.decode([Int].self) {
                    self = .tokens([tokens])
                } else {
                    self = .tokens(try container.decode([[Int]].self))
                }
            }

            var seeds: [UInt64] {
                switch self {
                case .texts(let texts): texts.map { $0.utf8.reduce(14_695_981_039_346_656_037, Self.mix) }
                case .tokens(let lists):
                    lists.map { $0.reduce(1) { Self.mix($0, UInt8(truncatingIfNeeded: $1)) } }
                }
            }

            private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
                (hash ^ UInt64(byte)) &* 1_099_511_628_211
            }
        }
        var input: Input
        var dimensions: Int?
    }

    static let dimensionsDefault = 8

    /// - Returns: `nil` when the body is not a request for embeddings.
    static func answer(_ request: MockRequest) -> MockAnswer? {
        let bytes = Data(request.body.readableBytesView)
        guard let body = try? JSONDecoder().decode(Body.self, from: bytes) else { return nil }
        let dimensions = min(max(body.dimensions ?? dimensionsDefault, 1), 4_096)
        let rows = body.input.seeds.enumerated().map { index, seed in
            let vector = vector(seed: seed, dimensions: dimensions)
            let value =
                request.wantsBase64 ? "\"\(base64(vector))\"" : "[\(vector.map { "\($0)" }.joined(separator: ","))]"
            return "{\"object\":\"embedding\",\"index\":\(index),\"embedding\":\(value)}"
        }
        let input = MockText.tokens(bytes: request.bodyBytes)
        return MockAnswer(
            json: """
                {"object":"list","data":[\(rows.joined(separator: ","))],"model":"\(request.model)",\
                "usage":{"prompt_tokens":\(input),"total_tokens":\(input)}}
                """)
    }

    /// Multiples of 1/256 between −1 and 1: exact as floats, and in decimal.
    private static func vector(seed: UInt64, dimensions: Int) -> [Float] {
        var dice = SplitMix(state: seed)
        return (0..<dimensions).map { _ in Float(Int(dice.next() & 511) - 256) / 256 }
    }

    private static func base64(_ vector: [Float]) -> String {
        var bytes = Data()
        for value in vector {
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes.base64EncodedString()
    }
}
