/// Blobs by key, as an S3-compatible store offers them. Read-after-write holds for one key; a listing may lag.
///
/// Every key is written with one content only (I4), so a repeated put of the same bytes is harmless. A put that returns
/// is durable in the sense of the engine (directory: file and directory are fsynced).
/// Keys are relative paths of `[A-Za-z0-9._-]` segments joined by `/`.
package protocol ObjectStore: Sendable {
    func put(_ bytes: [UInt8], at key: String) async throws(TidegateError)
    /// - Throws: `.notFound`.
    func get(_ key: String) async throws(TidegateError) -> [UInt8]
    /// - Parameter range: half-open, in bytes; the part behind the object's end is left out.
    func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8]
    /// Puts a file's content, without holding all of it in memory. The file stays and must not change meanwhile.
    func put(contentsOf path: String, at key: String) async throws(TidegateError)
    /// Writes an object into a new file at `path`, without holding all of it in memory. A file that was there is replaced;
    /// what a failure leaves is removed.
    /// - Throws: `.notFound`.
    func get(_ key: String, into path: String) async throws(TidegateError)
    /// A page of the keys that start with `prefix`. The order is the store's own and the same in every call: S3 sorts whole
    /// keys by their bytes, SeaweedFS goes folder by folder.
    /// - Parameter after: `nil`, or the last key of the page before.
    /// - Returns: each key that is there throughout in exactly one page; none behind the last.
    func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String]
    /// Absent keys are no error.
    func delete(_ key: String) async throws(TidegateError)
}
