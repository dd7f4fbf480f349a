internal import Logging
internal import TidegateCore

/// Turns text into values, with errors that name where the text came from.
struct SettingReader {
    let values: [SettingName: SettingSources.Value]

    func text(_ name: SettingName) throws(TidegateError) -> String? {
        guard let value = values[name] else { return nil }
        guard !value.text.isEmpty else { throw bad(value, "must not be empty") }
        return value.text
    }

    /// Long enough not to be guessed: 16 characters.
    func secret(_ name: SettingName) throws(TidegateError) -> String? {
        guard let value = values[name] else { return nil }
        guard value.text.utf8.count >= 16 else {
            // Not even a bad secret belongs into a log.
            throw TidegateError(.invalidConfiguration, "\(value.origin): must have 16 characters or more.")
        }
        return value.text
    }

    /// A name for people and keys: letters, digits, `.`, `_`, `-`; 64 characters at most.
    func name(_ name: SettingName) throws(TidegateError) -> String? {
        guard let value = values[name] else { return nil }
        guard NameRule.allows(value.text) else { throw bad(value, NameRule.text) }
        return value.text
    }

    func bool(_ name: SettingName) throws(TidegateError) -> Bool? {
        guard let value = values[name] else { return nil }
        guard let flag = Bool(value.text) else { throw bad(value, "must be true or false") }
        return flag
    }

    func integer(_ name: SettingName, in range: ClosedRange<Int>) throws(TidegateError) -> Int? {
        guard let value = values[name] else { return nil }
        guard let number = Int(value.text), range.contains(number) else {
            throw bad(value, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: SettingName, _: Choice.Type
    ) throws(TidegateError) -> Choice? where Choice.RawValue == String {
        guard let value = values[name] else { return nil }
        guard let choice = Choice(rawValue: value.text) else {
            throw bad(value, "must be one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    func logLevel(_ name: SettingName) throws(TidegateError) -> String? {
        guard let value = values[name] else { return nil }
        guard Logger.Level(rawValue: value.text) != nil else {
            throw bad(value, "must be one of " + Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return value.text
    }

    /// `host:port`, `[v6]:port`; port 0 picks a free one.
    func endpoint(_ name: SettingName) throws(TidegateError) -> ServeSettings.Endpoint? {
        guard let value = values[name] else { return nil }
        guard let colon = value.text.lastIndex(of: ":"),
            let port = UInt16(value.text[value.text.index(after: colon)...])
        else { throw bad(value, "must be HOST:PORT, such as 127.0.0.1:8787") }
        var host = value.text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains(where: { $0 == "[" || $0 == "]" || $0.isWhitespace }) else {
            throw bad(value, "must be HOST:PORT, such as 127.0.0.1:8787 or [::1]:8787")
        }
        return ServeSettings.Endpoint(host: String(host), port: Int(port))
    }

    private func bad(_ value: SettingSources.Value, _ rule: String) -> TidegateError {
        TidegateError(.invalidConfiguration, "\(value.origin): '\(value.text)' \(rule).")
    }
}
