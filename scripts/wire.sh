#!/usr/bin/env bash
# Writes the Swift of what nodes say to each other (Sources/TidegateWire/peer.proto), after a change of that file.
# Usage: scripts/wire.sh [--check]   (--check only says, by its exit code, whether the Swift file is fresh; it builds nothing)
# Needs protoc (Debian: protobuf-compiler). The plugin is built from the checkout of swift-protobuf, in WIRE_SCRATCH outside
# the repository (default: a directory under TMPDIR that is kept for the next time): SwiftPM's own plugin would build all of
# protoc first, which takes ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
schema=Sources/TidegateWire/peer.proto
target=Sources/TidegateWire/Generated/PeerGenerated.swift
mark="// Schema: sha256 $(sha256sum "$schema" | cut -d' ' -f1). Written by scripts/wire.sh; do not edit."

if [ "${1-}" = --check ]; then
    grep -qxF "$mark" "$target" || { echo "$target:1: stale: run scripts/wire.sh" >&2; exit 1; }
    exit 0
fi

command -v protoc >/dev/null || { echo "protoc is missing: apt-get install protobuf-compiler" >&2; exit 69; }
[ -d .build/checkouts/swift-protobuf ] || swift package resolve
scratch=${WIRE_SCRATCH:-${TMPDIR:-/tmp}/tidegate-wire-$(id -u)}
mkdir -p "$scratch"
swift build --package-path .build/checkouts/swift-protobuf --scratch-path "$scratch/build" --product protoc-gen-swift >&2
plugin=$(swift build --package-path .build/checkouts/swift-protobuf --scratch-path "$scratch/build" --show-bin-path)/protoc-gen-swift

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
protoc -I "$(dirname "$schema")" --plugin=protoc-gen-swift="$plugin" \
    --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true --swift_out="$out" "$schema"
mkdir -p "$(dirname "$target")"
{
    echo "$mark"
    cat "$out/peer.pb.swift"
} >"$target"
