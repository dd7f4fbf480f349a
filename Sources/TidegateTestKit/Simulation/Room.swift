internal import TidegateCore

/// Who a gateway's uid belongs to, as its owner read it.
struct Registration: Equatable {
    var name: Tenants.Name
    var cap: Int64?
    var deletesOldest: Bool
    /// Its end is asked for and will come: nothing more is taken.
    var isEnding = false
}

/// One gateway of a slot, as its owner holds it.
final class Room {
    enum State { case opening, open, gone }

    let uid: GatewayUID
    var state = State.opening
    var registration: Registration?
    var admission = AdmissionCore(live: 0, allowance: 0, cap: nil, marks: [])
    var allowance: AllowanceCore
    var parked: [Parked] = []
    var waiting: [() -> Void] = []
    var isMovingRows = false
    var isEvicting = false
    var hasNothingToEvict = false
    var isDeleting = false
    /// The entry that ends it is on its way.
    var isEndAppended = false
    var seals: SealCore
    /// Left-over segments of earlier owners were looked for.
    var isSwept = false
    var isFinishing = false

    init(_ uid: GatewayUID, _ settings: WorldSettings) {
        self.uid = uid
        allowance = AllowanceCore(settings: settings.allowance)
        seals = SealCore(settings: settings.seal)
    }

    func release(as verdict: RecordVerdict) {
        let parked = parked
        (self.parked, waiting) = ([], [])
        for item in parked { item.settleRest(as: verdict) }
    }
}

/// One batch on its way to verdicts: answered once, when the last of them is in.
final class Delivery {
    let batch: SimulatedBatch
    private var verdicts: [RecordVerdict]
    private var isSettled: [Bool]
    private var open: Int
    private let reply: ([RecordVerdict]) -> Void

    init(_ batch: SimulatedBatch, _ reply: @escaping ([RecordVerdict]) -> Void) {
        self.batch = batch
        self.reply = reply
        verdicts = batch.ids.map { _ in .moved }
        isSettled = batch.ids.map { _ in false }
        open = batch.ids.count
    }

    func expect(_ verdict: RecordVerdict, at index: Int) { verdicts[index] = verdict }

    func settle(_ index: Int) {
        guard !isSettled[index] else { return }
        isSettled[index] = true
        open -= 1
        if open == 0 { reply(verdicts) }
    }

    func settle(_ index: Int, as verdict: RecordVerdict) {
        guard !isSettled[index] else { return }
        verdicts[index] = verdict
        settle(index)
    }
}

/// A batch that waits: for its gateway to open, for rows, or for an eviction.
struct Parked {
    let delivery: Delivery
    var next = 0
    var rest: Int { delivery.batch.ids.count - next }

    func settleRest(as verdict: RecordVerdict) {
        for index in next..<delivery.batch.ids.count { delivery.settle(index, as: verdict) }
    }
}
