/// Tells which bodies of a gateway no row will ever name: their row was refused, or its outbox lost (protocol A34).
///
/// Drain batches carry `resolvedBelow` of their stream: every smaller intent is delivered, skipped or dropped. Below it, a
/// body that no row names is garbage for good; at or above it, its row may still be on its way. No clock decides.
package struct BodyGarbage: Equatable, Sendable {
    private var bounds: [StreamID: UInt64] = [:]

    package init() {}

    /// - Parameter resolvedBelow: as a batch carried it; never goes back.
    /// - Returns: whether it says more than was known.
    @discardableResult
    package mutating func note(_ stream: StreamID, resolvedBelow: UInt64) -> Bool {
        guard resolvedBelow > bounds[stream] ?? 0 else { return false }
        bounds[stream] = resolvedBelow
        return true
    }

    /// A stream whose outbox will never send again: retired, or declared lost.
    package mutating func end(_ stream: StreamID) { bounds[stream] = .max }

    /// - Parameters:
    ///   - keys: of body objects, as a listing shows them. What is no such key is left alone.
    ///   - isNamed: whether a row names the object, or garbage that waits for its snapshots. As of a state that holds
    ///     everything committed when the bounds were noted: a robbed owner does not have it.
    package func garbage(
        among keys: [String], of gateway: GatewayUID, in names: CoordinationKeys, isNamed: (String) -> Bool
    ) -> [String] {
        keys.filter { key in
            guard let place = names.bodyPlace(key), place.gateway == gateway, let bound = bounds[place.stream]
            else { return false }
            return place.intent < bound && !isNamed(key)
        }
    }
}

extension CoordinationKeys {
    /// Key of a body that is too long for its row: named by its intent, which no other row of that stream has (A34).
    package func bodyObject(_ uid: GatewayUID, _ stream: StreamID, intent: UInt64, _ part: BodyPart) -> String {
        "\(bodyObjects(of: uid))\(stream)/\(intent).\(part.rawValue)"
    }
    package func bodyObjects(of uid: GatewayUID) -> String { "\(generation)/body/\(uid)/" }

    /// What `bodyObject` was called with; `nil` for any other key.
    package func bodyPlace(_ key: String) -> (gateway: GatewayUID, stream: StreamID, intent: UInt64, part: BodyPart)? {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "\(generation)", parts[1] == "body",
            let gateway = GatewayUID(hex: String(parts[2])), let stream = StreamID(hex: String(parts[3]))
        else { return nil }
        let name = parts[4].split(separator: ".", omittingEmptySubsequences: false)
        guard name.count == 2, let intent = UInt64(name[0]), let part = BodyPart(rawValue: String(name[1]))
        else { return nil }
        // Written in one way only: what would be read as this key and is another is not ours.
        guard key == bodyObject(gateway, stream, intent: intent, part) else { return nil }
        return (gateway, stream, intent, part)
    }
}
