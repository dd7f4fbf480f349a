/// Which faults a run has, and how often. Each seed draws its own mix: a run with everything at once hides what only a
/// quiet one shows. Chances are per thousand.
struct FaultPlan {
    // Coordination store.
    var callLost = 0
    var answerLost = 0
    var callDelayed = 0
    var callDoubled = 0
    var outages = 0
    var watchSlow = 0
    var watchBroken = 0
    // Object store.
    var putRefused = 0
    var putHidden = 0
    var putDoubled = 0
    var storeSlow = 0
    var getRefused = 0
    // Network between edges and owners.
    var messageLost = 0
    var messageDoubled = 0
    var messageSlow = 0
    var partitions = 0
    // Nodes.
    var crashAtEffect = 0
    var crashes = 0
    var powerCuts = 0
    var disksLost = 0
    var pauses = 0
    var steals = 0
    var handOffs = 0
    var clockJumps = 0
    var drift = 0
    // Disk of the outbox.
    var syncSlow = 0
    var syncFails = 0
    var applyFails = 0

    static let none = FaultPlan()

    /// A mix drawn by `random`: each kind of fault is off in about half of the runs.
    init(random: inout SeededGenerator) {
        func draw(_ most: Int) -> Int {
            let bits = random.next()
            return bits & 1 == 0 ? 0 : Int(bits >> 1 % UInt64(most)) + 1
        }
        callLost = draw(40)
        answerLost = draw(80)
        callDelayed = draw(50)
        callDoubled = draw(50)
        outages = draw(3)
        watchSlow = draw(200)
        watchBroken = draw(20)
        putRefused = draw(60)
        putHidden = draw(60)
        putDoubled = draw(60)
        storeSlow = draw(60)
        getRefused = draw(60)
        messageLost = draw(80)
        messageDoubled = draw(80)
        messageSlow = draw(80)
        partitions = draw(3)
        crashAtEffect = draw(6)
        crashes = draw(6)
        powerCuts = draw(500)
        disksLost = draw(150)
        pauses = draw(4)
        steals = draw(6)
        handOffs = draw(5)
        clockJumps = draw(3)
        drift = draw(5)
        syncSlow = draw(100)
        syncFails = draw(40)
        applyFails = draw(30)
    }

    private init() {}
}
