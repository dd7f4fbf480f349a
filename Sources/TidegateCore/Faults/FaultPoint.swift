internal import Synchronization

/// Places at which a debug build can be made to die, so that a test finds out what a crash right there costs. In a release
/// build they are nothing.
package enum FaultPoint: String, CaseIterable, Sendable {
    case beforeIntent, afterIntent, afterCompletion
    case afterClaim, duringReplay
    case beforePut, afterPut, afterCommit, duringApply, afterApply
    /// A segment is stored, and no entry names it; its entry is committed; half of it is carried out.
    case afterSegmentPut, beforeSealApply, duringSealApply
    case afterCompactionPut, duringCompactionApply
    /// Replaced segments and bodies of deleted rows are about to go; they are gone, and no entry says so.
    case beforeGarbageDelete, afterGarbageDelete
    case beforeBodyPut, afterBodyPut
    case whilePinned, beforeManifest, beforePublish, afterPublish, duringCollect, beforeRelease
    /// A row whose event id is `poison` is applied.
    case appliesPoison

    package typealias Handler = @Sendable (FaultPoint) -> Void
    private static let handler = Mutex<Handler?>(nil)

    /// Called at every point that is reached, from any thread.
    package static func install(_ handler: @escaping Handler) { Self.handler.withLock { $0 = handler } }

    @inline(__always)
    package func reached(by eventID: String) {
        #if DEBUG
            if eventID == "poison" { reached() }
        #endif
    }

    @inline(__always)
    package func reached() {
        #if DEBUG
            Self.handler.withLock { $0 }?(self)
        #endif
    }
}
