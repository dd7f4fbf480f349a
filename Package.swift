// swift-tools-version: 6.2

import PackageDescription

/// The settings of every target we write: Swift 6 mode, warnings are errors, imports stay private unless said otherwise.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func nio(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-nio") }
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A library target of ours, and the target that tests it.
func house(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TidegateTestKit"], swiftSettings: strict)
}

let package = Package(
    name: "tidegate",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "tidegate", targets: ["tidegate"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // C libraries of the system. `make deps` installs the -dev packages.
        .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CXXHash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),

        // Rules, values and seams. Imports neither NIO nor SQLite, so its tests build in seconds.
        house("TidegateCore", ["CXXHash"]),

        // What nodes say to each other: the schema, its generated code, and our own values to and from it.
        house("TidegateWire", ["TidegateCore", grpcCore, protobuf], exclude: ["peer.proto"]),

        // One kind of work and its I/O each. They do not import one another; they meet in TidegateNode.
        house(
            "TidegateEngines",
            [
                "TidegateCore", "CLMDB", asyncHTTPClient, crypto, logging, metrics, nio("NIOCore"), nio("NIOHTTP1"),
                nio("NIOPosix"),
            ]),
        house("TidegateObjects", ["TidegateCore", "CSQLite", "CZstd", crypto, grdb, grdbSQLite, logging, metrics]),
        house(
            "TidegateCluster",
            [
                "TidegateCore", "TidegateWire", asn1, crypto, grpcCore, grpcTransport, logging, metrics, nio("NIOCore"),
                nio("NIOPosix"), serviceLifecycle, x509,
            ]),
        house(
            "TidegateGateway",
            [
                "TidegateCore", crypto, logging, metrics, nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
                nio("NIOTLS"), nioSSL,
            ]),
        // The dashboard's Assets are embedded as Swift text (scripts/embed-assets.sh), so that the binary can be moved.
        house(
            "TidegateManagement", ["TidegateCore", crypto, httpTypes, hummingbird, logging, nio("NIOCore")],
            exclude: ["Assets"]),
        house("TidegateTelemetry", ["TidegateCore", logging, metrics]),

        house(
            "TidegateNode",
            [
                "TidegateCore", "TidegateEngines", "TidegateObjects", "TidegateCluster", "TidegateGateway",
                "TidegateManagement", "TidegateTelemetry", logging, serviceLifecycle, yams, nio("NIOCore"),
                nio("NIOPosix"),
            ]),

        // Clients and test doubles of the public surface: they see what any client sees.
        house(
            "TidegateTools",
            [
                "TidegateCore", argumentParser, asyncHTTPClient, nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
                nioSSL,
            ]),
        .executableTarget(
            name: "tidegate",
            dependencies: [
                "TidegateCore", "TidegateNode", "TidegateTelemetry", "TidegateTools", argumentParser, logging, metrics,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // Only tests depend on it.
        house("TidegateTestKit", ["TidegateCore"]),
        tests("TidegateCoreTests", ["TidegateCore"]),
        // `make simulate`: the simulator outside the tests, optimised, for as many seeds as one likes.
        .executableTarget(
            name: "simulate", dependencies: ["TidegateCore", "TidegateTestKit"], path: "Tests/Simulate",
            swiftSettings: strict),
        tests("TidegateSimulationTests", ["TidegateCore"]),
        tests("TidegateEnginesTests", ["TidegateEngines", asyncHTTPClient, nio("NIOCore"), nio("NIOHTTP1")]),
        tests("TidegateObjectsTests", ["TidegateObjects"]),
        tests("TidegateWireTests", ["TidegateWire", protobuf]),
        tests(
            "TidegateClusterTests",
            [
                "TidegateCluster", "TidegateWire", logging, nio("NIOCore"), nio("NIOPosix"), serviceLifecycle,
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ]),
        tests(
            "TidegateGatewayTests",
            [
                "TidegateGateway", "TidegateEngines", nio("NIOCore"), nio("NIOEmbedded"), nio("NIOPosix"),
                nio("NIOHTTP1"), nioSSL,
            ]),
        tests("TidegateManagementTests", ["TidegateManagement"]),
        tests(
            "TidegateNodeTests",
            [
                "TidegateNode", "TidegateTelemetry", "TidegateTools", asyncHTTPClient, logging, nio("NIOCore"),
                nio("NIOHTTP1"), nio("NIOPosix"),
            ]),
        tests("TidegateTelemetryTests", ["TidegateTelemetry", metrics]),
        tests(
            "TidegateToolsTests",
            ["TidegateTools", argumentParser, asyncHTTPClient, nio("NIOCore"), nio("NIOHTTP1"), nio("NIOPosix")]),
    ]
)
