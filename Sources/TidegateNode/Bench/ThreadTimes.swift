internal import Foundation
internal import Glibc

/// CPU seconds of this process's threads by name, without the number at its end: `tg-apply-0` and `tg-apply-1` are one.
/// From `/proc/self/task`, in ticks of 10 ms.
struct ThreadTimes {
    private var seconds: [String: Double] = [:]

    static func now() -> ThreadTimes {
        var times = ThreadTimes()
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        for task in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
            guard let stat = try? String(contentsOfFile: "/proc/self/task/\(task)/stat", encoding: .utf8),
                let from = stat.firstIndex(of: "("), let to = stat.lastIndex(of: ")")
            else { continue }
            // Behind the name: state is field 3, user and system time are fields 14 and 15 (proc(5)).
            let fields = stat[stat.index(after: to)...].split(separator: " ")
            guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { continue }
            let name = stat[stat.index(after: from)..<to]
            let digits = name.reversed().prefix { $0.isNumber || $0 == "-" }.count
            times.seconds[String(name.dropLast(digits)), default: 0] += (user + system) / ticks
        }
        return times
    }

    /// - Returns: seconds since `earlier`, without threads that took none.
    func since(_ earlier: ThreadTimes) -> [String: Double] {
        var grown: [String: Double] = [:]
        for (name, value) in seconds where value > earlier.seconds[name] ?? 0 {
            grown[name] = value - (earlier.seconds[name] ?? 0)
        }
        return grown
    }
}
