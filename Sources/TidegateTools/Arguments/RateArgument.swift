internal import ArgumentParser

/// A share of requests on a command line, from 0 to 1.
package struct RateArgument: ExpressibleByArgument, Equatable, Sendable {
    package var share: Double

    package init(_ share: Double) { self.share = share }

    package init?(argument: String) {
        guard let share = Double(argument), (0...1).contains(share) else { return nil }
        self.share = share
    }

    package var defaultValueDescription: String { "\(share)" }
}
