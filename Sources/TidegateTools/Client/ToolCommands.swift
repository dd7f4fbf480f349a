package import ArgumentParser

/// The commands of this target, for the root command to list. They are asynchronous: the root must be an
/// `AsyncParsableCommand` too.
package enum ToolCommands {
    package static let all: [any ParsableCommand.Type] = [
        MockProviderCommand.self, AccountCommand.self, GatewayCommand.self, TokenCommand.self, LogsCommand.self,
        StatusCommand.self,
    ]
}
