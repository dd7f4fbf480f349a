/// One provider as data: where it is, how its paths are read, and what its answers look like.
struct ProviderProfile: Sendable {
    /// How the path behind the slug becomes the path behind the base.
    enum PathRule: Sendable {
        case plain
        /// The base ends in `/v1`: a leading `v1/` of the request is dropped.
        case dropsV1
        /// The base has no version: one is put before a path that begins with a known operation.
        case addsV1
        /// `{resource}/{deployment}/{rest}`.
        case azure
        /// `{service}/{region}/{rest}`.
        case bedrock
        /// The region stands behind `locations/`.
        case vertex
        /// `v1/…` or the name of a model.
        case workersAI
        /// `model/{id}` has a host of its own.
        case baseten
        /// A header may name the target.
        case fal
    }

    var slug: String
    var base: BaseURL
    var paths: PathRule = .plain
    /// Headers that may carry the key, lower case, the usual one first.
    var auth: [String] = ["authorization"]
    /// The format of paths that no marker decides.
    var format: UsageFormat = .none
    /// Path parts that decide the format, first match counts. `openAIFamily` serves most.
    var markers: [(part: StaticString, format: UsageFormat)] = []
    /// How paths name the model; `nil` when bodies do.
    var model: ModelInPath?
    /// Path of OpenAI's chat completions behind the base; `nil` when the provider does not speak that format.
    var chatPath: String?
    /// What to call instead, for the error on `compat`.
    var nativeHint: String = ""

    func usageFormat(ofPath path: Substring) -> UsageFormat {
        markers.first { ASCIISearch.contains(path, $0.part) }?.format ?? format
    }

    static let openAIFamily: [(part: StaticString, format: UsageFormat)] = [
        ("/chat/completions", .openAIChat), ("/responses", .openAIResponses), ("/embeddings", .openAIEmbeddings),
        ("/messages", .anthropic), ("/images/", .openAIResponses), ("/audio/", .openAIResponses),
    ]
}
