import Testing
import TidegateCore
import TidegateObjects

@Suite("Lists of a segment's rows")
struct LSNRunsTests {
    @Test("hold what was added and come back as they were written", arguments: UInt64(0)..<40)
    func roundTrip(start: UInt64) throws {
        var seed = DatabaseSeed(state: start)
        var (runs, members, lsn) = (LSNRuns(), Set<UInt64>(), UInt64.random(in: 0..<9, using: &seed))
        for _ in 0..<Int.random(in: 0..<300, using: &seed) {
            runs.append(lsn)
            runs.append(lsn)
            members.insert(lsn)
            lsn += Bool.random(using: &seed) ? 1 : .random(in: 1..<1 << 30, using: &seed)
        }
        #expect(runs.count == UInt64(members.count) && Array(runs.elements) == members.sorted())
        let back = try LSNRuns(encoded: runs.encoded)
        #expect(back == runs && back.first == members.min() && back.last == members.max())
        for member in members {
            #expect(back.contains(member))
            #expect(back.contains(member + 1) == members.contains(member + 1))
        }
    }

    @Test("whatever the bytes, reading them ends", arguments: UInt64(0)..<200)
    func damage(start: UInt64) {
        var seed = DatabaseSeed(state: start)
        let bytes = (0..<Int.random(in: 0..<60, using: &seed)).map { _ in UInt8.random(in: 0...255, using: &seed) }
        guard let runs = try? LSNRuns(encoded: bytes) else { return }
        #expect(runs.ranges.allSatisfy { !$0.isEmpty })
    }
}
