package import Logging

/// Sends the process's logs to stderr, so that stdout carries the ready line alone.
package enum LogSetup {
    /// Call once, before the first logger is made.
    package static func bootstrap(level: Logger.Level) {
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}
