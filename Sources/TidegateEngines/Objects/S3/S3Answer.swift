internal import Foundation
internal import FoundationXML

/// What an S3 server said.
struct S3Answer {
    var status: Int
    var body: [UInt8]
    /// The object's or part's version as the store names it, quotes included; empty where it says none.
    var etag = ""
    /// Of the body; of the object itself in the answer to a HEAD.
    var length = 0

    var isSuccess: Bool { (200..<300).contains(status) }
    /// The server's fault, or its wish to be asked later.
    var isRetried: Bool { status >= 500 && status != 501 || status == 429 || status == 409 }

    /// `Code: Message` of an error document, else the status.
    var complaint: String {
        let found = S3Document(body, wanted: ["Code", "Message"]).texts
        return found.isEmpty ? "status \(status)" : found.map(\.text).joined(separator: ": ") + " (status \(status))"
    }
}

/// The texts of some elements of an XML document, in their order. A document that cannot be read has none.
final class S3Document: NSObject, XMLParserDelegate {
    private(set) var texts: [(element: String, text: String)] = []
    private let wanted: Set<String>
    private var open: String?
    private var text = ""

    init(_ bytes: [UInt8], wanted: Set<String>) {
        self.wanted = wanted
        super.init()
        let parser = XMLParser(data: Data(bytes))
        parser.shouldResolveExternalEntities = false
        parser.delegate = self
        if !parser.parse() { texts = [] }
    }

    func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        open = wanted.contains(element) ? element : nil
        text = ""
    }

    func parser(_ parser: XMLParser, foundCharacters characters: String) { if open != nil { text += characters } }

    func parser(
        _ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?
    ) {
        if open == element { texts.append((element, text)) }
        open = nil
    }
}
