internal import CZstd
internal import TidegateCore

/// zstd of whole buffers, at the level that measured cheapest per byte saved (measurements.md §0).
enum Zstandard {
    private static let level: Int32 = 1

    static func compress(_ bytes: [UInt8]) throws(TidegateError) -> [UInt8] {
        try compress(bytes) { ZSTD_compress($0.baseAddress, $0.count, $1.baseAddress, $1.count, Self.level) }
    }

    fileprivate static func compress(
        _ bytes: [UInt8], _ pack: (UnsafeMutableBufferPointer<UInt8>, UnsafeRawBufferPointer) -> Int
    ) throws(TidegateError) -> [UInt8] {
        var length = 0
        let compressed = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { output, count in
            length = bytes.withUnsafeBytes { pack(output, $0) }
            count = ZSTD_isError(length) == 0 ? length : 0
        }
        guard ZSTD_isError(length) == 0 else { throw TidegateError(.internalError, "zstd could not compress.") }
        return compressed
    }

    /// - Parameter length: what the content must have; also the bound of what is allocated. A frame that says otherwise
    ///   in its own header is refused before anything is allocated.
    static func decompress(_ bytes: ArraySlice<UInt8>, length: Int) throws(TidegateError) -> [UInt8] {
        let corrupt = TidegateError(.corrupt, "The compressed data is damaged.")
        let claimed = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        guard claimed == UInt64(length) else { throw corrupt }
        var result = 0
        let content = [UInt8](unsafeUninitializedCapacity: length) { output, count in
            result = bytes.withUnsafeBytes {
                ZSTD_decompress(output.baseAddress, output.count, $0.baseAddress, $0.count)
            }
            count = ZSTD_isError(result) == 0 ? result : 0
        }
        guard ZSTD_isError(result) == 0, result == length else { throw corrupt }
        return content
    }
}

/// Many buffers, one after the other: making zstd's tables costs more than a small buffer's compression.
final class ZstandardCompressor {
    private let context: OpaquePointer?

    init(level: Int32) {
        context = ZSTD_createCCtx()
        if let context { ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level) }
    }

    deinit { ZSTD_freeCCtx(context) }

    func compress(_ bytes: [UInt8]) throws(TidegateError) -> [UInt8] {
        guard let context else { throw TidegateError(.internalError, "zstd found no memory.") }
        return try Zstandard.compress(bytes) {
            ZSTD_compress2(context, $0.baseAddress, $0.count, $1.baseAddress, $1.count)
        }
    }
}
