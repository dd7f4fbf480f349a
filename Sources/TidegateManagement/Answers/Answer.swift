internal import TidegateCore

/// One answer, whole but for long bodies of calls.
struct Answer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// What follows `body`, as long as the client takes it.
    var rest: BodyObject?

    init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        headers = [(name: "content-type", value: contentType)]
        self.body = body
    }

    static func text(_ text: String, status: Int = 200) -> Answer {
        Answer(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    static func json(_ value: JSONText, status: Int = 200) -> Answer {
        Answer(status: status, contentType: "application/json", body: value.encoded())
    }

    /// The envelope of one result.
    static func result(_ result: JSONText, status: Int = 200) -> Answer {
        .json(
            .object([("success", .bool(true)), ("result", result), ("errors", .array([])), ("messages", .array([]))]),
            status: status)
    }

    /// The envelope of a page.
    static func list(_ items: [JSONText], info: [(String, JSONText)]) -> Answer {
        .json(
            .object([
                ("success", .bool(true)), ("result", .array(items)), ("errors", .array([])), ("messages", .array([])),
                ("result_info", .object(info)),
            ]))
    }

    static func list(_ items: [JSONText], page: Paging, totalCount: Int) -> Answer {
        .list(
            items,
            info: [
                ("count", .integer(Int64(items.count))), ("page", .integer(Int64(page.page))),
                ("per_page", .integer(Int64(page.perPage))), ("total_count", .integer(Int64(totalCount))),
            ])
    }

    init(_ failure: APIFailure) {
        let errors = failure.issues.map { issue -> JSONText in
            var fields: [(String, JSONText)] = [
                ("code", .integer(Int64(issue.code))), ("message", .string(issue.message)),
            ]
            if !issue.path.isEmpty { fields.append(("path", .array(issue.path.map(Self.text)))) }
            return .object(fields)
        }
        self = .json(
            .object([
                ("success", .bool(false)), ("errors", .array(errors)), ("messages", .array([])),
                ("result", .object([])),
            ]), status: failure.status)
        headers += failure.headers
    }

    private static func text(_ step: APIFailure.Step) -> JSONText {
        switch step {
        case .name(let name): .string(name)
        case .index(let index): .integer(Int64(index))
        }
    }
}
