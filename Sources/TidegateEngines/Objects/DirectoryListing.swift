internal import TidegateCore

/// Walks a directory in the byte order of whole keys, and only where keys can match.
struct DirectoryListing {
    private let root: String
    private let prefix: String
    private let after: String?
    private let limit: Int
    private var found: [String] = []

    init(root: String, prefix: String, after: String?, limit: Int) {
        self.root = root
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }

    mutating func keys() throws(SystemFailure) -> [String] {
        if limit > 0 { try visit("") }
        return found
    }

    /// - Parameter directory: empty, or a path that ends with `/`.
    private mutating func visit(_ directory: String) throws(SystemFailure) {
        // A directory sorts as its name with a slash: that is how its keys go on.
        let entries = try Directories.names(in: "\(root)/\(directory)")
            .filter { !$0.name.utf8.contains(UInt8(ascii: "~")) }
            .map { $0.isDirectory ? "\(directory)\($0.name)/" : directory + $0.name }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for entry in entries where found.count < limit {
            if entry.utf8.last == UInt8(ascii: "/") {
                if canHoldMatches(entry) { try visit(entry) }
            } else if entry.utf8.starts(with: prefix.utf8), isBehindStart(entry) {
                found.append(entry)
            }
        }
    }

    private func canHoldMatches(_ directory: String) -> Bool {
        guard directory.utf8.starts(with: prefix.utf8) || prefix.utf8.starts(with: directory.utf8) else { return false }
        guard let after else { return true }
        return after.utf8.starts(with: directory.utf8) || after.utf8.lexicographicallyPrecedes(directory.utf8)
    }

    private func isBehindStart(_ key: String) -> Bool {
        after.map { $0.utf8.lexicographicallyPrecedes(key.utf8) } ?? true
    }
}
