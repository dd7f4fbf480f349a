internal import CZstd
internal import Synchronization
internal import TidegateCore

/// Packs bodies that lie side by side into one zstd frame: they share words, so that one frame is smaller than many.
/// Safe because a codec belongs to one apply at a time: `BodyCodecs` hands it out under its lock.
final class BodyCodec: @unchecked Sendable {
    /// Up to this many bytes are kept as they are: zstd costs much for little there, and a seal packs them with neighbours.
    static let rawBytesMax = 16 << 10
    /// A seal keeps the frames: as good as a pack's own.
    private static let level: Int32 = 3

    enum Form: Int64 { case raw = 0, zstd = 1 }

    private let context: OpaquePointer?
    private var packed: [UInt8] = []

    init() {
        context = ZSTD_createCCtx()
        if let context { ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level) }
    }

    deinit { ZSTD_freeCCtx(context) }

    /// - Parameter use: gets the bytes to store; they are gone afterwards.
    func pack(_ plain: [UInt8], _ use: (Form, UnsafeRawBufferPointer) throws -> Void) rethrows {
        guard plain.count > Self.rawBytesMax, let context else {
            return try plain.withUnsafeBytes { try use(.raw, $0) }
        }
        let bound = ZSTD_compressBound(plain.count)
        if packed.count < bound { packed = [UInt8](repeating: 0, count: bound) }
        let size = plain.withUnsafeBytes { from in
            packed.withUnsafeMutableBytes { to in
                ZSTD_compress2(context, to.baseAddress, to.count, from.baseAddress, from.count)
            }
        }
        if ZSTD_isError(size) == 0, size < plain.count {
            try packed.withUnsafeBytes { try use(.zstd, UnsafeRawBufferPointer(rebasing: $0[..<size])) }
        } else {
            try plain.withUnsafeBytes { try use(.raw, $0) }
        }
        if packed.count > 1 << 20 { packed = [] }
    }

    /// - Parameter count: bytes of all bodies.
    static func unpack(_ form: Int64, _ content: [UInt8], count: Int) throws(TidegateError) -> [UInt8] {
        switch Form(rawValue: form) {
        case .raw where content.count == count: return content
        case .zstd where count >= 0 && count <= bytesMax:
            var bytes = [UInt8](repeating: 0, count: count)
            let size = bytes.withUnsafeMutableBytes { to in
                content.withUnsafeBytes { ZSTD_decompress(to.baseAddress, to.count, $0.baseAddress, $0.count) }
            }
            if ZSTD_isError(size) == 0, size == count { return bytes }
            fallthrough
        default:
            throw TidegateError(.corrupt, "The stored bodies do not unpack to \(count) bytes.")
        }
    }

    private static let bytesMax = 1 << 30
}

/// Codecs that nobody uses now: as many as applies run at once, whatever the number of databases.
final class BodyCodecs: Sendable {
    private let idle = Mutex<[BodyCodec]>([])

    func with<Value>(_ body: (BodyCodec) throws -> Value) rethrows -> Value {
        let codec = idle.withLock { $0.popLast() } ?? BodyCodec()
        defer { idle.withLock { $0.append(codec) } }
        return try body(codec)
    }
}
