internal import TidegateCore

/// What an audit found: each invariant of the protocol with how often it was tested, and what broke it.
package struct AuditReport: Equatable, Sendable, Codable {
    package struct Check: Equatable, Sendable, Codable {
        /// `I3`.
        package var invariant: String
        package var title: String
        package var tested: Int
        package var violations: Int
        /// The first few violations in words.
        package var examples: [String]
    }

    package struct Slot: Equatable, Sendable, Codable {
        package var slot: String
        package var epoch: UInt64
        package var n: UInt64
        package var snapshotN: UInt64
        package var gateways: Int
        package var rows: Int64
        /// SHA-256 over the content of all its databases at `n`, in hexadecimal.
        package var contentHash: String
    }

    package var holds: Bool
    package var generation: Int
    package var checks: [Check]
    package var slots: [Slot]
    /// What is no violation and worth knowing all the same.
    package var notes: [String]
}

/// Gathers what auditors find.
actor AuditLedger {
    static let examplesMax = 20
    /// The invariants that the two stores can show. The others need a history of what clients saw: the drill checks them.
    static let titles: [(String, String)] = [
        ("I1", "epochs of a slot only grow"), ("I2", "the head continues the log, one object at a time"),
        ("I3", "every object behind the older snapshot is there, whole, and continues its predecessor"),
        ("I5", "no record is in the log twice"), ("I6", "the sequences of a stream have no gap and no repeat"),
        ("I9", "replaying the log over the older snapshot gives the newer one"),
        ("I10", "rows ≤ allowance, and the allowances are what the account has given"),
        ("I11", "an account's count of gateways is right and within its cap"),
        ("I12", "everything that a retained snapshot or the log names is there, whole"),
        ("I13", "a gateway that is gone gets no entry, and once purged has no object"),
    ]

    private var tested: [String: Int] = [:]
    private var broken: [String: Int] = [:]
    private var examples: [String: [String]] = [:]
    private var notes: [String] = []

    func check(_ invariant: String, _ holds: Bool, _ message: @autoclosure () -> String) {
        tested[invariant, default: 0] += 1
        guard !holds else { return }
        broken[invariant, default: 0] += 1
        if examples[invariant, default: []].count < Self.examplesMax {
            examples[invariant, default: []].append(message())
        }
    }

    func note(_ text: String) { if notes.count < 100 { notes.append(text) } }

    func report(generation: Int, slots: [AuditReport.Slot]) -> AuditReport {
        AuditReport(
            holds: broken.isEmpty, generation: generation,
            checks: Self.titles.map { name, title in
                AuditReport.Check(
                    invariant: name, title: title, tested: tested[name] ?? 0, violations: broken[name] ?? 0,
                    examples: examples[name] ?? [])
            }, slots: slots, notes: notes)
    }
}
