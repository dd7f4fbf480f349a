internal import CXXHash

/// Which of a region's slots holds an object. Fixed at bootstrap and checked by every node (A30): a change of this
/// function is a change of format.
package enum SlotHash {
    /// `xxh3(uid) mod count`, over the 16 bytes of the uid, most significant first.
    package static func index(of uid: GatewayUID, count: Int) -> Int {
        index(of: withUnsafeBytes(of: uid.bits.bigEndian) { Array($0) }, count: count)
    }

    /// The slot of an account object, over the UTF-8 bytes of the account id.
    package static func index(ofAccount account: String, count: Int) -> Int {
        index(of: Array(account.utf8), count: count)
    }

    private static func index(of bytes: [UInt8], count: Int) -> Int {
        let hash = bytes.withUnsafeBytes { XXH3_64bits($0.baseAddress, $0.count) }
        return Int(hash % UInt64(count))
    }
}
