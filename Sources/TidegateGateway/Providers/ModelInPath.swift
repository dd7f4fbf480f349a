/// Where a provider's path names the model, for calls whose bodies do not.
package struct ModelInPath: Equatable, Sendable {
    package enum End: Equatable, Sendable {
        /// The path goes on with the next segment; a name may hold escaped slashes.
        case slash
        /// A method follows: `gemini-2.5-flash:generateContent`.
        case colon
        /// Nothing follows: names like `@cf/meta/llama` hold slashes.
        case endOfPath
    }

    /// The last occurrence counts, so that a base's own path does not.
    package var marker: String
    package var end: End

    package init(after marker: String, until end: End) {
        self.marker = marker
        self.end = end
    }

    /// - Parameter path: as on the wire, with or without query.
    /// - Returns: the name with its escapes resolved; `nil` when the path names none.
    package func model(in path: some StringProtocol) -> String? {
        let path = Array(path.utf8.prefix { $0 != UInt8(ascii: "?") })
        let marker = Array(marker.utf8)
        guard path.count > marker.count,
            let start = (0...(path.count - marker.count)).last(where: { path[$0...].starts(with: marker) })
        else { return nil }
        var name = path[(start + marker.count)...]
        switch end {
        case .slash: name = name.prefix { $0 != UInt8(ascii: "/") }
        case .colon: name = name.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
        case .endOfPath: break
        }
        return name.isEmpty ? nil : Self.unescaped(name)
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String? {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var at = bytes.startIndex
        while at < bytes.endIndex {
            if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.endIndex, let high = JSONText.hexDigit(bytes[at + 1]),
                let low = JSONText.hexDigit(bytes[at + 2])
            {
                plain.append(high << 4 | low)
                at += 3
            } else {
                plain.append(bytes[at])
                at += 1
            }
        }
        return String(validating: plain, as: UTF8.self)
    }
}
