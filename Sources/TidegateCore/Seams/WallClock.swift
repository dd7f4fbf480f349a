/// The time of day. Only for what people read and for rows' times; never for a decision about ownership.
package protocol WallClock: Sendable {
    /// Milliseconds since 1970, UTC.
    func milliseconds() -> Int64
}
