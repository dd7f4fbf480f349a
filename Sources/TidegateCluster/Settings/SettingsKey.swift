/// The keys under `acct/` that the settings replica keeps.
enum SettingsKey: Hashable, Sendable {
    case gateway(account: String, name: String)
    case token(account: String, id: String)

    /// - Returns: `nil` for keys of other kinds.
    init?(_ key: String, under prefix: String) {
        guard key.hasPrefix(prefix) else { return nil }
        let parts = key.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        switch parts[1] {
        case "gw": self = .gateway(account: String(parts[0]), name: String(parts[2]))
        case "token": self = .token(account: String(parts[0]), id: String(parts[2]))
        default: return nil
        }
    }
}
