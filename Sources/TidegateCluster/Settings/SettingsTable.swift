internal import FoundationEssentials
internal import TidegateCore

/// Gateways and tokens with their revisions, and the rules of what may replace what.
struct SettingsTable: Sendable {
    enum Change: Sendable {
        /// - region: where it is at home, where that is known.
        case gateway(SettingsKey, GatewayView, region: String?)
        case token(SettingsKey, TokenView, revision: Revision)
        /// Deleted, or in a state in which it is as good as deleted.
        case removed(SettingsKey, revision: Revision)

        var gateway: GatewayView? {
            if case .gateway(_, let view, _) = self { view } else { nil }
        }
    }

    private(set) var gateways: [String: [String: GatewayView]] = [:]
    /// Regions that gateways are at home in.
    private(set) var homes: [GatewayUID: String] = [:]
    private(set) var tokens: [String: [TokenDigest: TokenView]] = [:]
    private var tokenDigests: [SettingsKey: (digest: TokenDigest, revision: Revision)] = [:]
    /// Everything up to here has been seen: what is absent as of this revision is known to be absent.
    private var seenThrough: Revision = 0
    /// Keys that the store did not have, and until when that answer is good.
    private var absent: [SettingsKey: Duration] = [:]

    private static let absentFor = Duration.seconds(1)
    private static let absentMax = 10_000

    mutating func replace(with changes: [Change], asOf revision: Revision) {
        guard revision >= seenThrough else { return }
        gateways = [:]
        homes = [:]
        tokens = [:]
        tokenDigests = [:]
        apply(changes, through: revision)
    }

    mutating func apply(_ changes: [Change], through revision: Revision) {
        for change in changes { store(change) }
        seenThrough = max(seenThrough, revision)
    }

    /// Takes in what a read found, unless the watch has seen past it.
    /// - Returns: what holds for the key now.
    mutating func merge(_ change: Change) -> Change {
        switch change {
        case .gateway(let key, let view, let region):
            if view.revision > seenThrough { store(change) }
            guard case .gateway(let account, let name) = key else { return change }
            return gateways[account]?[name].map { .gateway(key, $0, region: homes[$0.uid] ?? region) }
                ?? .removed(key, revision: seenThrough)
        case .token(_, _, let revision), .removed(_, let revision):
            if revision > seenThrough { store(change) }
            return change
        }
    }

    func isKnownAbsent(_ key: SettingsKey, at now: Duration) -> Bool { absent[key].map { now < $0 } ?? false }

    mutating func noteAbsent(_ key: SettingsKey, at now: Duration) {
        if absent.count >= Self.absentMax { absent = absent.filter { now < $0.value } }
        if absent.count < Self.absentMax { absent[key] = now + Self.absentFor }
    }

    private mutating func store(_ change: Change) {
        switch change {
        case .gateway(let key, let view, let region):
            if let old = gateways[view.account]?[view.name] {
                if old.revision >= view.revision { return }
                homes[old.uid] = nil
            }
            gateways[view.account, default: [:]][view.name] = view
            if let region { homes[view.uid] = region }
            absent[key] = nil
        case .token(let key, let view, let revision):
            if let old = tokenDigests[key] {
                if old.revision >= revision { return }
                tokens[view.account]?[old.digest] = nil
            }
            tokens[view.account, default: [:]][view.digest] = view
            tokenDigests[key] = (view.digest, revision)
            absent = absent.filter { if case .token = $0.key { false } else { true } }
        case .removed(let key, let revision): remove(key, revision)
        }
    }

    private mutating func remove(_ key: SettingsKey, _ revision: Revision) {
        switch key {
        case .gateway(let account, let name):
            guard let old = gateways[account]?[name], old.revision < revision else { return }
            gateways[account]?[name] = nil
            homes[old.uid] = nil
        case .token(let account, _):
            guard let old = tokenDigests[key], old.revision < revision else { return }
            tokens[account]?[old.digest] = nil
            tokenDigests[key] = nil
        }
    }
}

extension SettingsTable.Change {
    /// Reads a document. - Throws: when it is not one of ours.
    init(key: SettingsKey, entry: KeyValue) throws {
        let data = Data(entry.value)
        switch key {
        case .gateway(let account, let name):
            let document = try JSONDecoder().decode(GatewayDocument.self, from: data)
            guard document.state == .active else {
                self = .removed(key, revision: entry.modRevision)
                return
            }
            guard let uid = GatewayUID(hex: document.uid) else {
                throw TidegateError(.corrupt, "The gateway's uid is not 32 hexadecimal digits.")
            }
            self = .gateway(
                key,
                GatewayView(
                    account: account, name: name, uid: uid, settings: document.settings, revision: entry.modRevision,
                    createdAtMs: document.createdAtMs, modifiedAtMs: document.modifiedAtMs), region: document.region)
        case .token(let account, _):
            let document = try JSONDecoder().decode(TokenDocument.self, from: data)
            guard let digest = TokenDigest(hex: document.digest) else {
                throw TidegateError(.corrupt, "The token's digest is not 64 hexadecimal digits.")
            }
            self = .token(
                key,
                TokenView(
                    account: account, id: document.id, digest: digest, permissions: Set(document.permissions),
                    gateways: document.gateways.map(Set.init), expiresAtMs: document.expiresAtMs),
                revision: entry.modRevision)
        }
    }
}
