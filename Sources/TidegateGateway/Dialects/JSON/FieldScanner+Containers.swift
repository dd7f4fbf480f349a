extension FieldScanner {
    /// Calls `body` with each element of the array at `range`, in order. Stops early when `body` returns false.
    package static func elements(
        of bytes: UnsafeRawBufferPointer, in range: Range<Int>, _ body: (FieldValue) -> Bool
    ) throws(JSONFault) {
        var walker = JSONWalker(UnsafeRawBufferPointer(rebasing: bytes[..<range.upperBound]), at: range.lowerBound)
        try walker.expect(UInt8(ascii: "["))
        walker.skipSpace()
        if walker.current == UInt8(ascii: "]") { return }
        while true {
            guard body(try walker.value(depth: 1)) else { return }
            walker.skipSpace()
            if walker.current == UInt8(ascii: "]") { return }
            try walker.expect(UInt8(ascii: ","))
            walker.skipSpace()
        }
    }

    /// Calls `body` with each member of the object at `range`, in order, also with those that a later one of the same name
    /// replaces. Stops early when `body` returns false.
    package static func members(
        of bytes: UnsafeRawBufferPointer, in range: Range<Int>, _ body: (_ key: FieldValue, _ value: FieldValue) -> Bool
    ) throws(JSONFault) {
        var walker = JSONWalker(UnsafeRawBufferPointer(rebasing: bytes[..<range.upperBound]), at: range.lowerBound)
        try walker.expect(UInt8(ascii: "{"))
        walker.skipSpace()
        if walker.current == UInt8(ascii: "}") { return }
        while true {
            let start = walker.at
            let hasEscapes = try walker.string()
            let key = FieldValue(kind: .string, hasEscapes: hasEscapes, range: start..<walker.at)
            walker.skipSpace()
            try walker.expect(UInt8(ascii: ":"))
            walker.skipSpace()
            guard body(key, try walker.value(depth: 1)) else { return }
            walker.skipSpace()
            if walker.current == UInt8(ascii: "}") { return }
            try walker.expect(UInt8(ascii: ","))
            walker.skipSpace()
        }
    }
}
