/// What a node or a region may be called: the name becomes part of files' names, of keys and of certificates.
package enum NameRule {
    package static let text = "must be 1 to 64 letters, digits, '.', '_' or '-'"

    package static func allows(_ name: String) -> Bool {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isPlain && (1...64).contains(name.utf8.count) && name != "." && name != ".."
    }
}
