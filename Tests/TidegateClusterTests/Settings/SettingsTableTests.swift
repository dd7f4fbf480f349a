import Testing
import TidegateCore

@testable import TidegateCluster

@Suite("Settings table")
struct SettingsTableTests {
    private let key = SettingsKey.gateway(account: "acme", name: "prod")

    private func view(_ revision: Revision, uid: UInt128 = 1) -> GatewayView {
        GatewayView(
            account: "acme", name: "prod", uid: GatewayUID(bits: uid), settings: GatewaySettings(), revision: revision,
            createdAtMs: 0, modifiedAtMs: 0)
    }

    @Test("an older picture never replaces a newer one")
    func forwardOnly() {
        var table = SettingsTable()
        table.apply([.gateway(key, view(5), region: "r1")], through: 5)
        table.apply([.gateway(key, view(4, uid: 9), region: "r1")], through: 6)
        #expect(table.gateways["acme"]?["prod"]?.revision == 5)
        table.apply([.removed(key, revision: 4)], through: 7)
        #expect(table.gateways["acme"]?["prod"] != nil)
    }

    @Test("a slow read does not bring back what the watch has removed")
    func noResurrection() {
        var table = SettingsTable()
        table.apply([.gateway(key, view(5), region: "r1")], through: 5)
        table.apply([.removed(key, revision: 8)], through: 8)
        let now = table.merge(.gateway(key, view(5), region: "r1"))
        #expect(now.gateway == nil)
        #expect(table.gateways["acme"]?["prod"] == nil)
    }

    @Test("a read that is ahead of the watch is taken")
    func ahead() {
        var table = SettingsTable()
        table.apply([], through: 5)
        #expect(table.merge(.gateway(key, view(9), region: "r1")).gateway?.revision == 9)
        #expect(table.gateways["acme"]?["prod"]?.revision == 9)
    }

    @Test("that a key is absent is believed for a second, and not after it was made")
    func absence() {
        var table = SettingsTable()
        table.noteAbsent(key, at: .seconds(10))
        #expect(table.isKnownAbsent(key, at: .seconds(10.9)))
        #expect(!table.isKnownAbsent(key, at: .seconds(11)))
        table.noteAbsent(key, at: .seconds(20))
        table.apply([.gateway(key, view(3), region: "r1")], through: 3)
        #expect(!table.isKnownAbsent(key, at: .seconds(20.1)))
    }

    @Test("keys of other kinds are not settings")
    func keys() {
        #expect(SettingsKey("/tg/1/acct/acme/gw/prod", under: "/tg/1/acct/") == key)
        #expect(SettingsKey("/tg/1/acct/acme/doc", under: "/tg/1/acct/") == nil)
        #expect(SettingsKey("/tg/1/acct/acme/quota/00", under: "/tg/1/acct/") == nil)
        #expect(SettingsKey("/tg/2/acct/acme/gw/prod", under: "/tg/1/acct/") == nil)
    }

    @Test("a token's digest survives its text")
    func digest() throws {
        let digest = TokenDigest(bytes: (0..<32).map { UInt8($0 * 8 + 3) })
        #expect(TokenDigest(hex: digest.hex) == digest)
        #expect(TokenDigest(hex: String(digest.hex.dropLast()) + "g") == nil)
        #expect(TokenDigest(hex: "") == nil)
    }
}
