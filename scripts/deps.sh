#!/usr/bin/env bash
# Installs the Debian packages that are missing. Usage: scripts/deps.sh [build|test|bench], default build.
set -euo pipefail

case "${1:-build}" in
    build) packages=(libsqlite3-dev liblmdb-dev libzstd-dev libxxhash-dev curl) ;;
    test)
        packages=(
            libsqlite3-dev liblmdb-dev libzstd-dev libxxhash-dev curl python3 python3-venv shellcheck etcd-server chromium
            chromium-driver)
        ;;
    bench) packages=(libsqlite3-dev liblmdb-dev libzstd-dev libxxhash-dev curl python3 python3-venv nginx-light wrk) ;;
    *) echo "usage: scripts/deps.sh [build|test|bench]" >&2; exit 64 ;;
esac

if ! swift --version 2>/dev/null | grep -qE 'Swift version 6\.([3-9]|[1-9][0-9])'; then
    echo "Tidegate needs Swift 6.3 or newer on the PATH: install it from https://www.swift.org/install and try again." >&2
    exit 69
fi

command -v dpkg-query >/dev/null || {
    echo "This is not Debian: install the equivalents of: ${packages[*]}" >&2
    exit 0
}
missing=()
for package in "${packages[@]}"; do
    # Any nginx, python or shellcheck on the PATH will do.
    case "$package" in
        nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=("$package") ;;
        python3) command -v python3 >/dev/null || missing+=("$package") ;;
        python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=("$package") ;;
        etcd-server) command -v etcd >/dev/null || missing+=("$package") ;;
        chromium-driver) command -v chromedriver >/dev/null || missing+=("$package") ;;
        curl | wrk | shellcheck | chromium) command -v "$package" >/dev/null || missing+=("$package") ;;
        *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "As root, run: apt-get install ${missing[*]}" >&2; exit 77; }
    root=(sudo)
fi
echo "installing ${missing[*]}" >&2
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}")
"${root[@]}" "${install[@]}" >&2 || {
    "${root[@]}" apt-get update -q >&2
    "${root[@]}" "${install[@]}" >&2
}
