-- One POST, over and over: the body comes from the file named in the environment. Prints one JSON line at the end.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "\nRESULT {\"requests\":%d,\"seconds\":%.6f,\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"errors\":%d}\n",
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
