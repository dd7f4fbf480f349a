/// Why a document was given up. `offset` is where, in bytes from its start.
package struct JSONFault: Error, Equatable, Sendable {
    package enum Reason: Sendable {
        case malformed
        /// Nested deeper than `JSONWalker.depthMax`: perhaps valid, but not read.
        case tooDeep
    }
    package var reason: Reason
    package var offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
