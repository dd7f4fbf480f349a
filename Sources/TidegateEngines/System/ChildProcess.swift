package import Glibc
internal import Synchronization
package import TidegateCore

/// A process that this one starts, by `posix_spawn` alone. It has none of our descriptors but the three it is given.
///
/// Not Foundation's `Process`: started from several threads at once it crashes now and then in
/// `run()` (Swift 6.3.1 on Linux, a wild `memcpy`).
package final class ChildProcess: Sendable {
    package let pid: pid_t
    private let status = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - command: path of the program, then its arguments.
    ///   - input, output, errors: descriptors for its standard streams; `nil` is `/dev/null`. They stay the caller's.
    package init(
        _ command: [String], input: Int32? = nil, output: Int32? = nil, errors: Int32? = nil
    ) throws(TidegateError) {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in [(0, input), (1, output), (2, errors)] as [(Int32, Int32?)] {
            posix_spawn_file_actions_adddup2(&actions, source ?? null, target)
        }
        // NIO's sockets are not closed on exec: a child that held one would keep its peer from ever seeing the end.
        _ = Self.closeFrom?(&actions, 3)
        // Threads of libdispatch block signals, and children inherit that: a shell would wait for its own children for ever.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, command.first ?? "", &actions, &attributes, arguments, environ)
        guard code == 0 else {
            throw TidegateError(
                .unavailable, "\(command.first ?? "") did not start: \(String(cString: strerror(code))).")
        }
        pid = child
    }

    /// `posix_spawn_file_actions_addclosefrom_np` of glibc 2.34, which Swift's Glibc does not show.
    private static let closeFrom: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32)? =
        dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
            unsafeBitCast(
                $0, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32).self)
        }

    package func send(_ signal: Int32) {
        status.withLock { status in
            if status == nil { kill(pid, signal) }
        }
    }

    package var isRunning: Bool {
        status.withLock { status in
            guard status == nil else { return false }
            var raw: Int32 = 0
            guard waitpid(pid, &raw, WNOHANG) == pid else { return true }
            status = Self.code(raw)
            return false
        }
    }

    private static func code(_ raw: Int32) -> Int32 { raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + raw & 0x7F }

    /// Blocks until it has ended. One caller at a time.
    /// - Returns: its exit code, or 128 and the signal that ended it.
    @discardableResult
    package func wait() -> Int32 {
        status.withLock { status in
            if let status { return status }
            var raw: Int32 = 0
            while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
            status = Self.code(raw)
            return Self.code(raw)
        }
    }
}
