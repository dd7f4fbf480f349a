#!/usr/bin/env bash
# Format, shell scripts, and what the compiler cannot see. Every finding is FILE:LINE and why.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

swift format lint --strict --recursive Sources Tests Package.swift || failed=1

mapfile -t scripts < <({ git ls-files '*.sh'; git grep -lE '^#!.*\b(bash|sh)$' -- . || true; } | sort -u)
if command -v shellcheck >/dev/null; then
    shellcheck "${scripts[@]}" || failed=1
else
    echo "lint: shellcheck is missing: make deps" >&2
    failed=1
fi

# allowed RULE FILE: is FILE excused from RULE in scripts/lint-allow.txt? Lines there: RULE PATTERN REASON…
allowed() {
    local rule pattern reason
    while read -r rule pattern reason; do
        [ -n "$reason" ] || continue
        # shellcheck disable=SC2053  # the right side is a pattern on purpose
        if [ "$rule" = "$1" ] && [[ $2 == $pattern ]]; then return 0; fi
    done < <(grep -vE '^(#|$)' scripts/lint-allow.txt)
    return 1
}

# forbid RULE REGEX WHY PATHS…: code lines (not comments) that match are findings.
forbid() {
    local rule=$1 regex=$2 why=$3 hit file
    shift 3
    while IFS= read -r hit; do
        file=${hit%%:*}
        if allowed "$rule" "$file"; then continue; fi
        echo "$(cut -d: -f1,2 <<<"$hit"): $rule: $why"
        failed=1
    done < <(git grep -nE "$regex" -- "$@" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' || true)
}

swift=('Sources/*.swift')
forbid clock '(^|[^A-Za-z])Date\(\)|ContinuousClock|SuspendingClock|Task\.sleep|DispatchTime\.now|NIODeadline\.now' \
    'time is passed in, so that tests and the simulator own it; only drivers read a clock' "${swift[@]}"
forbid random 'SystemRandomNumberGenerator|(^|[^A-Za-z])UUID\(\)|\.random\(in: [^,]*\)|arc4random' \
    'randomness is passed in, so that a seed replays a run; only drivers roll dice' "${swift[@]}"
forbid detached 'Task\.detached' 'every task has a parent' "${swift[@]}" 'Tests/*.swift'
forbid trap 'try!|fatalError\(|(^|[^A-Za-z])as!' 'input must never end the process; precondition is for our own mistakes' "${swift[@]}"
forbid unsafe 'nonisolated\(unsafe\)|@preconcurrency import' 'the compiler must see every shared field' "${swift[@]}" 'Tests/*.swift'
forbid machine '(^|[^A-Za-z0-9_.])/(work|home/[a-z]+|Users/[a-z]+|tgsrc)/' 'a path of one machine does not exist on another' . ':!scripts/lint.sh'

while IFS=: read -r file line _; do
    first=$((line > 6 ? line - 6 : 1))
    sed -n "${first},$((line + 1))p" "$file" | grep -qi 'Safe because' && continue
    echo "$file:$line: unchecked: @unchecked Sendable wants a line 'Safe because …' naming the lock or event loop"
    failed=1
done < <(git grep -nE '@unchecked Sendable' -- 'Sources/*.swift' 'Tests/*.swift' || true)

scripts/embed-assets.sh --check || failed=1
scripts/wire.sh --check || failed=1

while IFS= read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 400 ]; then
        echo "$file:400: length: $lines lines; past 400 there is a second idea in it"
        failed=1
    fi
done < <(git ls-files 'Sources/*.swift' 'Tests/*.swift' | grep -v 'Generated.swift$')

if git ls-files | grep -qE '(^|/)(\.build|\.build-python)/'; then
    echo ".gitignore:1: build output is tracked"
    failed=1
fi
[ "$failed" -eq 0 ] && echo "lint: clean"
exit "$failed"
