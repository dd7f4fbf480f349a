package import TidegateCore

/// Where the objects are and who we are there.
package struct S3Settings: Equatable, Sendable {
    /// `http://host:port` or `https://host`, without a path.
    package var endpoint: String
    package var bucket: String
    package var region = "us-east-1"
    package var accessKey: String
    package var secretKey: String
    package enum Style: String, Sendable, CaseIterable {
        /// `endpoint/bucket/key`: what stores of one's own mostly want.
        case path
        /// The bucket is the first part of the host's name: what AWS wants.
        case virtual
    }

    package var style = Style.path
    /// Addresses of hosts that no name server knows, by name.
    package var addresses: [String: String] = [:]
    /// Tries of a request in all.
    package var attemptsMax = 5
    /// Larger objects go up in parts of this size; S3 takes none below 5 MiB but the last.
    package var partBytes = 8 << 20
    /// A put that takes longer is made once more beside itself.
    package var hedgeAfter = Duration.seconds(1)

    package init(endpoint: String, bucket: String, accessKey: String, secretKey: String) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.accessKey = accessKey
        self.secretKey = secretKey
    }

    /// - Parameter place: `http://host:port/bucket`, what follows `s3:` in the configuration.
    /// - Throws: `.invalidConfiguration`.
    package init(place: String, accessKey: String, secretKey: String) throws(TidegateError) {
        let parts = place.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, ["http:", "https:"].contains(parts[0]), parts[1].isEmpty, !parts[2].isEmpty,
            parts[3].utf8.count >= 3
        else {
            throw TidegateError(
                .invalidConfiguration, "The object store is given as s3:http://HOST:PORT/BUCKET; found 's3:\(place)'.")
        }
        self.init(
            endpoint: "\(parts[0])//\(parts[2])", bucket: String(parts[3]), accessKey: accessKey, secretKey: secretKey)
    }
}
