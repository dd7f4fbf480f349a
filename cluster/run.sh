#!/usr/bin/env bash
# Starts one node and a mock provider, sends a request through, shows its log row, runs until Ctrl-C. Usage: cluster/run.sh
# TIDEGATE_LISTEN and TIDEGATE_STATE override the address and the state directory, TIDEGATE_MOCK_LISTEN the mock
# provider's address; TIDEGATE_BIN skips the build.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TIDEGATE_BIN:-}" ]; then
    scripts/deps.sh build
    swift build -c release --product tidegate
    TIDEGATE_BIN="$(swift build -c release --show-bin-path)/tidegate"
fi
state=${TIDEGATE_STATE:-.build/run-state}
mkdir -p "$state"
logs=$state/run-logs
mkdir -p "$logs"
rm -f "$logs"/*
pids=()
stop() {
    trap - EXIT INT TERM
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true # only what this script started
    wait || true
}
trap stop EXIT
trap 'exit 0' INT TERM

# ready NAME PID: prints the URL of the ready line, or the log and fails.
ready() {
    for _ in $(seq 1 200); do
        if grep -oE 'ready url=[^ ]+' "$logs/$1.out" 2>/dev/null | cut -d= -f2- | grep .; then return 0; fi
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    echo "$1 did not become ready:" >&2
    cat "$logs/$1.out" "$logs/$1.err" >&2
    return 1
}

"$TIDEGATE_BIN" mock-provider --listen "${TIDEGATE_MOCK_LISTEN:-127.0.0.1:8790}" >"$logs/mock-provider.out" 2>"$logs/mock-provider.err" &
pids+=($!)
mock=$(ready mock-provider $!)

serve=(--config cluster/single.yaml --state "$state" --provider "openai=$mock/v1")
for slug in anthropic google-ai-studio workers-ai; do serve+=(--provider "$slug=$mock"); done
[ -z "${TIDEGATE_LISTEN:-}" ] || serve+=(--listen "$TIDEGATE_LISTEN")
"$TIDEGATE_BIN" serve "${serve[@]}" >"$logs/tidegate.out" 2>"$logs/tidegate.err" &
node=$!
pids+=("$node")
url=$(ready tidegate "$node")
token_file=$state/admin-token
base=$url/v1/default/default

echo
echo "== a request through $base/openai"
curl -sS -D "$logs/head" "$base/openai/chat/completions" -H 'Authorization: Bearer sk-mock' \
    -H 'Content-Type: application/json' \
    -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello, nonce:first-light"}]}'
echo
id=$(tr -d '\r' <"$logs/head" | awk -F': ' 'tolower($1) == "cf-aig-log-id" {print $2}')
if [ -z "$id" ]; then
    echo "the answer has no cf-aig-log-id:" >&2
    cat "$logs/head" "$logs/tidegate.err" >&2
    exit 1
fi

logs_of() { "$TIDEGATE_BIN" logs "$@" --target "$url" --token-file "$token_file"; }
echo
echo "== its log row"
for attempt in $(seq 1 40); do
    if logs_of get "$id" 2>"$logs/get.err"; then break; fi
    if [ "$attempt" -eq 40 ]; then cat "$logs/get.err" >&2; exit 1; fi
    sleep 0.05
done

cat <<TEXT

== try it
curl $base/openai/chat/completions -H 'Authorization: Bearer sk-mock' -H 'Content-Type: application/json' \\
  -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'

python3 - <<'PY'      # pip install openai
from openai import OpenAI
client = OpenAI(base_url="$base/openai", api_key="sk-mock")
print(client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}]).choices[0].message.content)
PY

logs       $TIDEGATE_BIN logs list --follow --target $url --token-file $token_file
dashboard  $url/      token: $token_file
mock       $mock
node log   $logs/tidegate.err

Ctrl-C stops all of it. State stays in $state.
TEXT
if ! wait "$node"; then
    echo "the node ended by itself; the end of $logs/tidegate.err:" >&2
    tail -n 20 "$logs/tidegate.err" >&2
    false
fi
