/// Situations that runs are meant to reach. A test asks that each of them is reached: rules that are never put to the test
/// hold for nothing.
package enum Coverage: String, CaseIterable, Sendable {
    case takeOver, robbery, robbedWhileRecovering, handOff, zombieFenced, zombieWoke
    case unclearCommit, unclearCommitHappened, lateTransaction, doubledTransaction, watchListed, leaseEnded
    case latePut, hiddenPut, replayFromSnapshot, replayFromLog, snapshot, logCollected, snapshotCollected, purge
    case duplicate, gap, skip, gone, movedBatch, orphanEdit, sealedEdit, rowsDeleted, eviction, seal, editDuringSeal
    case deleteDuringSeal, compaction, editDuringCompaction, deleteDuringCompaction, segmentEmptied, sealRefused
    case segmentsCollected, segmentsSwept
    case gatewayEnded, gatewayRecreated, endFinishedByAnother
    case allowanceRefused, allowanceReturned, allowanceSettled, capLowered
    case powerCut, diskLost, abortedRow, rowsLostUnsynced, strongReadRefused, olderReadRefused
    // Of the other scenarios.
    case hole, fork, forkedAway
}
