internal import TidegateCore

/// What a member's version means for us (protocol A23). Faults are those of etcd's own change logs that break what the
/// protocol relies on, or come near it.
struct EtcdVersion: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int
    let patch: Int

    init(_ major: Int, _ minor: Int, _ patch: Int) { (self.major, self.minor, self.patch) = (major, minor, patch) }

    /// - Parameter text: `3.5.23`, perhaps with `-rc.1` behind it; `nil` for anything else.
    init?(_ text: String) {
        let parts = text.prefix { $0 != "-" && $0 != "+" }.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int($0) }
        guard parts.count == 3, numbers.count == 3, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        self.init(numbers[0], numbers[1], numbers[2])
    }

    var description: String { "\(major).\(minor).\(patch)" }

    static func < (one: EtcdVersion, other: EtcdVersion) -> Bool {
        (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
    }

    /// Whether it speaks what we speak: the JSON gateway is under `/v3` since 3.4.
    var isUsable: Bool { major == 3 && minor >= 4 }

    /// What may go wrong with it; empty for the versions that a cluster is to run on.
    var faults: [String] {
        var faults: [String] = []
        if (EtcdVersion(3, 5, 0)..<EtcdVersion(3, 5, 3)).contains(self) {
            faults.append("members may lose what they acknowledged when they are killed (fixed in 3.5.3)")
        }
        if self < EtcdVersion(3, 5, 13) {
            faults.append("a leader whose disk stalls may revoke every lease (fixed in 3.5.13)")
        }
        if self < EtcdVersion(3, 5, 23) || (EtcdVersion(3, 6, 0)..<EtcdVersion(3, 6, 5)).contains(self) {
            faults.append("renewing a revoked lease may be answered as done (fixed in 3.5.23 and 3.6.5)")
        }
        return faults
    }
}

struct EtcdVersionAnswer: Decodable {
    var etcdserver: String?
}
