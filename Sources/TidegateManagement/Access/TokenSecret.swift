/// The secret of an account token: `tg_` and 43 characters of base64url, 256 random bits.
enum TokenSecret {
    static let prefix = "tg_"

    static func text(randomBytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var characters: [UInt8] = []
        var (buffer, bits) = (UInt32(0), 0)
        for byte in randomBytes {
            (buffer, bits) = (buffer << 8 | UInt32(byte), bits + 8)
            while bits >= 6 {
                bits -= 6
                characters.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 { characters.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)]) }
        return prefix + String(decoding: characters, as: UTF8.self)
    }
}
