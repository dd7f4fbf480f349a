/// The bytes of one long body on their way to a file beside the outbox. Belongs to the event loop of its call; a file that
/// is neither finished nor discarded when the last reference goes is discarded.
package protocol BodyFile: AnyObject {
    /// Writes without waiting for a disk.
    /// - Returns: false when the disk or the outbox has no room: the file is gone then.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool
    /// What was written so far, when it is at most `bytesMax`.
    func contents(bytesMax: Int) -> [UInt8]?
    /// Nothing follows.
    /// - Returns: what stands for the body in its record until it has an object.
    func finish() -> String
    /// Removes the file, finished or not.
    func discard()
}

/// What stands in a record's `requestObject` or `responseObject` while that body lies in a file: no object key has a `~`.
package enum BodyMark {
    package static func text(bytes: Int) -> String { "~\(bytes)" }

    /// - Returns: the body's size; `nil` when the text is no mark.
    package static func bytes(_ text: String) -> Int? {
        text.utf8.first == UInt8(ascii: "~") ? Int(text.dropFirst()) : nil
    }
}

/// Long bodies that were captured, as those see them who bring them to the object store.
package protocol BodyQueue: Sendable {
    /// Says that there may be bodies to store. For one reader.
    var bodyNews: AsyncStream<Void> { get }
    /// Of rows that are safe on disk; each gateway's first one comes before any gateway's second.
    func waitingBodies(limit: Int) -> [WaitingBody]
    /// - Returns: the path of its file; `nil` when the file is gone or cut.
    func file(of body: WaitingBody) async throws(TidegateError) -> String?
    /// Its record names that object from now on, and is delivered.
    func stored(_ body: WaitingBody, at key: String)
    /// Its record is delivered without it: the file is gone or cut.
    func lost(_ body: WaitingBody)
    /// Its record is delivered without it: nobody will read it.
    func unneeded(_ body: WaitingBody)
    /// The store knows another body under this stream's numbers (A11).
    func mintNewStream() async throws(TidegateError)
}

package struct WaitingBody: Hashable, Sendable {
    package struct Place: Hashable, Sendable {
        package let gateway: GatewayUID
        /// The row's, as stored in the outbox.
        package let sequence: UInt64
        package let part: BodyPart
    }

    package let place: Place
    package let stream: StreamID
    package let intent: UInt64
    package let bytes: Int

    package init(place: Place, stream: StreamID, intent: UInt64, bytes: Int) {
        self.place = place
        self.stream = stream
        self.intent = intent
        self.bytes = bytes
    }
}

extension WaitingBody.Place {
    package init(_ gateway: GatewayUID, _ sequence: UInt64, _ part: BodyPart) {
        self.init(gateway: gateway, sequence: sequence, part: part)
    }
}
