internal import CZstd
internal import Glibc
internal import TidegateCore

/// Files as one zstd frame and back, in pieces of bounded size, with the CRC-32C of the packed bytes. Blocks: call it where
/// that is allowed.
enum ZstandardFile {
    private static let pieceBytes = 1 << 20

    /// - Returns: length and CRC-32C of the packed file.
    static func compress(
        _ path: String, into packed: String, level: Int32 = 1
    ) throws(TidegateError) -> (size: Int, crc: UInt32) {
        let input = try open(path, O_RDONLY)
        defer { Glibc.close(input) }
        let output = try open(packed, O_WRONLY | O_CREAT | O_TRUNC)
        defer { Glibc.close(output) }
        guard let context = ZSTD_createCCtx() else { throw failed("zstd", path) }
        defer { ZSTD_freeCCtx(context) }
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        var length = 0
        var crc = CRC32C()
        var from = [UInt8](repeating: 0, count: pieceBytes)
        var to = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())
        while true {
            let count = try read(input, &from, path)
            var source = ZSTD_inBuffer()
            let isLast = count == 0
            var left = 1
            try withBytes(&from, count) { pointer throws(TidegateError) in
                source = ZSTD_inBuffer(src: pointer, size: count, pos: 0)
                while source.pos < source.size || (isLast && left != 0) {
                    let written = to.withUnsafeMutableBytes { bytes in
                        var target = ZSTD_outBuffer(dst: bytes.baseAddress, size: bytes.count, pos: 0)
                        left = ZSTD_compressStream2(context, &target, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
                        return target.pos
                    }
                    guard ZSTD_isError(left) == 0 else { throw failed("zstd", path) }
                    try write(output, to, written, packed)
                    to.withUnsafeBytes { crc.update(UnsafeRawBufferPointer(rebasing: $0[..<written])) }
                    length += written
                }
            }
            if isLast { return (length, crc.value) }
        }
    }

    /// - Throws: `.corrupt` unless the packed file has this length and CRC-32C.
    static func decompress(
        _ packed: String, into path: String, size: Int, crc expected: UInt32
    ) throws(TidegateError) {
        let corrupt = TidegateError(.corrupt, "\(packed) is damaged.")
        let input = try open(packed, O_RDONLY)
        defer { Glibc.close(input) }
        let output = try open(path, O_WRONLY | O_CREAT | O_TRUNC)
        defer { Glibc.close(output) }
        guard let context = ZSTD_createDCtx() else { throw failed("zstd", path) }
        defer { ZSTD_freeDCtx(context) }
        var length = 0
        var crc = CRC32C()
        var left = 1
        var from = [UInt8](repeating: 0, count: pieceBytes)
        var to = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
        while true {
            let count = try read(input, &from, packed)
            if count == 0 { break }
            length += count
            from.withUnsafeBytes { crc.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            try withBytes(&from, count) { pointer throws(TidegateError) in
                var source = ZSTD_inBuffer(src: pointer, size: count, pos: 0)
                var written = 1
                // A full target may hide bytes that are still inside, unless the frame is at its end.
                while source.pos < source.size || (written == to.count && left != 0) {
                    written = to.withUnsafeMutableBytes { bytes in
                        var target = ZSTD_outBuffer(dst: bytes.baseAddress, size: bytes.count, pos: 0)
                        left = ZSTD_decompressStream(context, &target, &source)
                        return target.pos
                    }
                    guard ZSTD_isError(left) == 0 else { throw corrupt }
                    try write(output, to, written, path)
                }
            }
        }
        guard left == 0, length == size, crc.value == expected else { throw corrupt }
    }

    private static func open(_ path: String, _ flags: Int32) throws(TidegateError) -> Int32 {
        let file = Glibc.open(path, flags | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failed("open", path) }
        return file
    }

    private static func read(_ file: Int32, _ bytes: inout [UInt8], _ path: String) throws(TidegateError) -> Int {
        while true {
            let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count >= 0 { return count }
            guard errno == EINTR else { throw failed("read", path) }
        }
    }

    private static func write(
        _ file: Int32, _ bytes: [UInt8], _ count: Int, _ path: String
    ) throws(TidegateError) {
        var done = 0
        while done < count {
            let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + done }, count - done) }
            if written >= 0 { done += written } else if errno != EINTR { throw failed("write", path) }
        }
    }

    private static func withBytes(
        _ bytes: inout [UInt8], _ count: Int, _ body: (UnsafeRawPointer?) throws(TidegateError) -> Void
    ) throws(TidegateError) {
        try bytes.withUnsafeBufferPointer { pointer throws(TidegateError) in
            try body(UnsafeRawPointer(pointer.baseAddress))
        }
    }

    private static func failed(_ doing: String, _ path: String) -> TidegateError {
        TidegateError(.unavailable, "\(doing) of \(path) failed: \(String(cString: strerror(errno))).")
    }
}
