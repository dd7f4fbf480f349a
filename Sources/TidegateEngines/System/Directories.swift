internal import Glibc
internal import TidegateCore

/// What we do with directories and whole files.
enum Directories {
    /// Creates `path` and what is missing above it; each new entry is synced into its parent.
    static func create(_ path: String) throws(SystemFailure) {
        if mkdir(path, 0o700) == 0 { return try sync(parent(of: path)) }
        switch errno {
        case EEXIST: return
        case ENOENT where path.contains("/"):
            try create(parent(of: path))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SystemFailure("mkdir", path) }
            try sync(parent(of: path))
        default: throw SystemFailure("mkdir", path)
        }
    }

    static func sync(_ path: String) throws(SystemFailure) {
        let directory = try FileDescriptor(opening: path, O_RDONLY | O_DIRECTORY)
        try directory.sync(path: path)
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Names in the directory without `.` and `..`, unordered; empty when there is none.
    static func names(in path: String) throws(SystemFailure) -> [(name: String, isDirectory: Bool)] {
        guard let stream = opendir(path) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw SystemFailure("opendir", path)
        }
        defer { closedir(stream) }
        var names: [(name: String, isDirectory: Bool)] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            var isDirectory = entry.pointee.d_type == UInt8(DT_DIR)
            if entry.pointee.d_type == UInt8(DT_UNKNOWN) {
                var status = stat()
                isDirectory = stat("\(path)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            }
            names.append((name, isDirectory))
        }
        if errno != 0 { throw SystemFailure("readdir", path) }
        return names
    }

    static func remove(_ path: String) throws(SystemFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemFailure("unlink", path) }
    }

    static func move(_ source: String, to target: String) throws(SystemFailure) {
        guard rename(source, target) == 0 else { throw SystemFailure("rename", target) }
    }

    /// - Returns: `nil` when there is no such file.
    static func contents(of path: String) throws(SystemFailure) -> [UInt8]? {
        do throws(SystemFailure) {
            let file = try FileDescriptor(opening: path, O_RDONLY)
            return try file.read(0..<(try file.size(path: path)), path: path)
        } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return nil }
            throw error
        }
    }

    /// Replaces a file so that after a crash either the old or the new content is there, whole.
    static func replace(_ path: String, with bytes: [UInt8]) throws(SystemFailure) {
        let temporary = path + ".new"
        do {
            let file = try FileDescriptor(opening: temporary, O_WRONLY | O_CREAT | O_TRUNC)
            try file.write(bytes, path: temporary)
            try file.sync(path: temporary)
        }
        try move(temporary, to: path)
        try sync(parent(of: path))
    }
}
