/// What went wrong, in the words of our own contract.
///
/// `code` is public contract (API body, metric label, runbook title); `message` says what happened and what to do.
package struct TidegateError: Error, CustomStringConvertible {
    package enum Code: String, CaseIterable, Sendable {
        case invalidRequest = "invalid_request", invalidConfiguration = "invalid_configuration"
        case unauthorized, forbidden
        case notFound = "not_found", conflict, gone
        case notOwner = "not_owner", overloaded
        case quotaExceeded = "quota_exceeded"
        case corrupt, unavailable
        case deadlineExceeded = "deadline_exceeded"
        /// The outcome of a write is not known: read again before deciding anything (A4).
        case unknownOutcome = "unknown_outcome"
        case internalError = "internal_error"
    }

    package var code: Code
    package var message: String
    package var cause: (any Error)?
    package var file: String
    package var line: Int

    package init(
        _ code: Code, _ message: String, cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.file = file
        self.line = line
    }

    package var description: String {
        cause.map { "\(code.rawValue): \(message) (\($0))" } ?? "\(code.rawValue): \(message)"
    }
}
