package import TidegateCore
internal import Yams

/// Values as text, each with where it was found, before anybody has judged them.
package struct SettingSources: Sendable {
    package struct Value: Equatable, Sendable {
        package var text: String
        /// For messages: `flag --listen`, `environment TIDEGATE_LISTEN`, `tidegate.yaml: listen`.
        package var origin: String
    }

    private(set) var values: [SettingName: Value] = [:]
    /// Base URLs by provider slug.
    private(set) var providers: [String: Value] = [:]

    package init() {}

    /// - Throws: `.invalidConfiguration` naming the first key that is not known or not of the right kind.
    package mutating func read(yaml: String, file: String) throws(TidegateError) {
        let document: Any?
        do {
            document = try Yams.load(yaml: yaml)
        } catch {
            throw TidegateError(.invalidConfiguration, "\(file) is not valid YAML: \(error)")
        }
        guard let document else { return }
        guard let root = document as? [String: Any] else {
            throw TidegateError(
                .invalidConfiguration, "\(file) must be a map of settings, such as `listen: 127.0.0.1:8787`.")
        }
        for (key, value) in root.sorted(by: { $0.key < $1.key }) {
            if key == "providers" {
                try readProviders(value, file: file)
            } else {
                try read(key, value, file: file)
            }
        }
    }

    /// - Throws: `.invalidConfiguration` for a variable with our prefix that nobody reads: it was meant to change something.
    package mutating func read(environment: [String: String]) throws(TidegateError) {
        let known = Self.otherVariables.union(SettingName.allCases.map(\.environmentVariable))
        for variable in environment.keys.sorted() where variable.hasPrefix("TIDEGATE_") && !known.contains(variable) {
            throw TidegateError(
                .invalidConfiguration,
                "environment \(variable): no such setting. Docs/operations/configure.md lists them; unset it, or mend it."
            )
        }
        for name in SettingName.allCases {
            let variable = name.environmentVariable
            guard let text = environment[variable] else { continue }
            values[name] = Value(text: text, origin: "environment \(variable)")
        }
        // What every S3 tool reads; ours win.
        for (name, variable) in [
            (SettingName.s3AccessKey, "AWS_ACCESS_KEY_ID"), (.s3SecretKey, "AWS_SECRET_ACCESS_KEY"),
            (.s3Region, "AWS_REGION"),
        ] where values[name] == nil {
            if let text = environment[variable] { values[name] = Value(text: text, origin: "environment \(variable)") }
        }
        if let list = environment["TIDEGATE_PROVIDERS"] {
            for pair in list.split(separator: ",") {
                try setProvider(String(pair), origin: "environment TIDEGATE_PROVIDERS")
            }
        }
    }

    /// Of the command-line clients, the scripts and the tests, and what later versions of `serve` read.
    private static let otherVariables: Set<String> = [
        "TIDEGATE_BIN", "TIDEGATE_CA", "TIDEGATE_FAULT", "TIDEGATE_MEASURE", "TIDEGATE_MOCK_LISTEN",
        "TIDEGATE_PROVIDERS",
        "TIDEGATE_TARGET", "TIDEGATE_WEED",
    ]

    package mutating func set(_ name: SettingName, flag: String, _ text: String?) {
        guard let text else { return }
        values[name] = Value(text: text, origin: "flag --\(flag)")
    }

    /// - Parameter pair: `slug=URL`.
    package mutating func setProvider(_ pair: String, origin: String) throws(TidegateError) {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else {
            throw TidegateError(
                .invalidConfiguration,
                "\(origin): '\(pair)' is not SLUG=BASE_URL, such as openai=http://127.0.0.1:9000/v1.")
        }
        providers[String(parts[0])] = Value(text: String(parts[1]), origin: origin)
    }

    private mutating func read(_ key: String, _ value: Any, file: String) throws(TidegateError) {
        if let name = SettingName(rawValue: key) {
            guard let text = Self.text(of: value) else {
                throw TidegateError(.invalidConfiguration, "\(file): \(key) must be a single value.")
            }
            values[name] = Value(text: text, origin: "\(file): \(key)")
        } else if let group = value as? [String: Any] {
            for (inner, value) in group.sorted(by: { $0.key < $1.key }) {
                try read("\(key).\(inner)", value, file: file)
            }
        } else {
            let known = SettingName.allCases.map(\.rawValue).joined(separator: ", ")
            throw TidegateError(
                .invalidConfiguration, "\(file): unknown key '\(key)'. Known keys: \(known), providers.<slug>.baseURL.")
        }
    }

    private mutating func readProviders(_ value: Any, file: String) throws(TidegateError) {
        guard let providers = value as? [String: Any] else {
            throw TidegateError(.invalidConfiguration, "\(file): providers must be a map of slugs.")
        }
        for (slug, value) in providers.sorted(by: { $0.key < $1.key }) {
            guard let fields = value as? [String: Any] else {
                throw TidegateError(.invalidConfiguration, "\(file): providers.\(slug) must be a map with baseURL.")
            }
            for (field, value) in fields {
                guard field == "baseURL", let text = Self.text(of: value) else {
                    throw TidegateError(
                        .invalidConfiguration, "\(file): unknown key 'providers.\(slug).\(field)'. Known: baseURL.")
                }
                self.providers[slug] = Value(text: text, origin: "\(file): providers.\(slug).baseURL")
            }
        }
    }

    /// Scalars as their text, a list joined by commas; `nil` for maps.
    private static func text(of value: Any) -> String? {
        switch value {
        case let text as String: text
        case let flag as Bool: flag ? "true" : "false"
        case let number as Int: String(number)
        case let number as Double: String(number)
        case let list as [Any]:
            list.allSatisfy { text(of: $0) != nil } ? list.compactMap { text(of: $0) }.joined(separator: ",") : nil
        default: nil
        }
    }
}
