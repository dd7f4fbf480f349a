package import ArgumentParser

/// The account that a command is about.
package struct AccountOption: ParsableArguments {
    @Option(name: [.short, .long], help: "Account id.")
    package var account = "default"
    package init() {}
    var path: [String] { ["accounts", account] }
}

/// The gateway that a command is about.
package struct GatewayOption: ParsableArguments {
    @OptionGroup package var owner: AccountOption
    @Option(name: [.short, .long], help: "Gateway id.")
    package var gateway = "default"
    package init() {}
    var logs: [String] { owner.path + ["ai-gateway", "gateways", gateway, "logs"] }
}
