internal import TidegateCore

/// Why a request is refused, as the envelope tells it.
struct APIFailure: Error, Sendable {
    /// Step of a path into the body or the query string.
    enum Step: Equatable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
        case name(String)
        case index(Int)
        init(stringLiteral value: String) { self = .name(value) }
        init(integerLiteral value: Int) { self = .index(value) }
    }

    struct Issue: Equatable, Sendable {
        var code: Int
        var message: String
        var path: [Step] = []
    }

    var status: Int
    var issues: [Issue]
    var headers: [(name: String, value: String)] = []

    init(status: Int, code: Int, _ message: String, headers: [(name: String, value: String)] = []) {
        self.status = status
        issues = [Issue(code: code, message: message)]
        self.headers = headers
    }

    /// Input that does not fit: 400 with one issue a field.
    init(invalid issues: [Issue]) {
        status = 400
        self.issues = issues
    }

    static func invalid(_ message: String, at path: [Step]) -> APIFailure {
        APIFailure(invalid: [Issue(code: Code.invalid, message: message, path: path)])
    }

    static func missing(_ what: String) -> APIFailure {
        APIFailure(status: 404, code: Code.notFound, "\(what) not found")
    }
}

extension APIFailure {
    /// Numbers in `errors[].code`. The first five are the reference's.
    enum Code {
        static let noRoute = 7000
        static let invalid = 7001
        static let notFound = 7002
        static let authentication = 10000
        static let duplicateGateway = 5403
        static let method = 7003
        static let quota = 7004
        static let conflict = 7005
        static let overloaded = 7006
        static let unavailable = 7007
        static let internalError = 7008
        static let notImplemented = 7009
        static let tooLarge = 7010
    }

    init(_ error: TidegateError) {
        let retry = [(name: "retry-after", value: "1")]
        // No `default`: a new code does not compile until it has a status here.
        switch error.code {
        case .invalidRequest: self.init(status: 400, code: Code.invalid, error.message)
        case .unauthorized: self.init(status: 401, code: Code.authentication, error.message)
        case .forbidden: self.init(status: 403, code: Code.authentication, error.message)
        case .notFound, .gone: self.init(status: 404, code: Code.notFound, error.message)
        case .conflict: self.init(status: 409, code: Code.conflict, error.message)
        // Not 409 or 429: the generated SDKs would send it again.
        case .quotaExceeded: self.init(status: 403, code: Code.quota, error.message)
        case .overloaded: self.init(status: 429, code: Code.overloaded, error.message, headers: retry)
        case .notOwner, .unavailable, .unknownOutcome:
            self.init(status: 503, code: Code.unavailable, error.message, headers: retry)
        case .deadlineExceeded: self.init(status: 504, code: Code.unavailable, error.message)
        case .corrupt, .internalError, .invalidConfiguration:
            self.init(status: 500, code: Code.internalError, error.message)
        }
    }
}
