import Testing

@testable import TidegateEngines

@Suite("Versions of etcd")
struct EtcdVersionTests {
    @Test("texts that members show", arguments: ["3.4.23", "3.5.0-rc.1", "3.6.5+git"])
    func readable(_ text: String) { #expect(EtcdVersion(text)?.isUsable == true) }

    @Test("texts that say nothing", arguments: ["", "unknown", "3", "3.5", "3.5.x", "3.5.1.2", "-3.5.1"])
    func unreadable(_ text: String) { #expect(EtcdVersion(text) == nil) }

    @Test("what does not speak to us is not used", arguments: ["2.3.8", "3.3.27", "4.0.0"])
    func unusable(_ text: String) { #expect(EtcdVersion(text)?.isUsable == false) }

    @Test(
        "each version has the faults that were not mended yet",
        arguments: [
            ("3.4.23", 2), ("3.5.0", 3), ("3.5.2", 3), ("3.5.3", 2), ("3.5.12", 2), ("3.5.13", 1), ("3.5.22", 1),
            ("3.5.23", 0), ("3.5.24", 0), ("3.6.0", 1), ("3.6.4", 1), ("3.6.5", 0), ("3.7.0", 0),
        ])
    func faults(_ text: String, _ count: Int) { #expect(EtcdVersion(text)?.faults.count == count) }
}
