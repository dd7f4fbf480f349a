"""nginx proxy_pass and Tidegate in front of the same upstreams, in one run. Called by scripts/bench.sh.

Upstream of plain answers: a second nginx that returns 600 bytes of OpenAI JSON with usage (the cheapest there is).
Upstream of streams: `tidegate mock-provider`, which flushes 20 events one by one; nginx cannot do that.
CPU is user + system time of the process and its children, from /proc/PID/stat, in microseconds per answer. Tidegate's
clock stops only when every row of the run is committed: what is written behind the answers belongs to them.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Clients"))
sys.path.insert(0, str(HERE))
import httpx  # noqa: E402
import open_loop  # noqa: E402
from processes import admin_token, start_mock, start_node  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
CHAT = "/v1/default/default/openai/chat/completions"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid):
    """The process and its children (nginx: master and worker)."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def rss_mb(pid):
    kb = sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{m}/status").read_text()).group(1)) for m in family(pid))
    return round(kb / 1024, 1)


class Nginx:
    def __init__(self, directory, name, server, upstreams=""):
        self.port, self.prefix = free_port(), Path(directory) / name
        (self.prefix / "logs").mkdir(parents=True)
        config = self.prefix / "nginx.conf"
        config.write_text(f"""
            worker_processes 1; daemon off; pid {self.prefix}/pid; error_log {self.prefix}/logs/error.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; keepalive_requests 1000000000; tcp_nodelay on;
                client_body_temp_path {self.prefix}/a; proxy_temp_path {self.prefix}/b; fastcgi_temp_path {self.prefix}/c;
                uwsgi_temp_path {self.prefix}/d; scgi_temp_path {self.prefix}/e;
                {upstreams}
                server {{ listen 127.0.0.1:{self.port}; {server} }}
            }}""")
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.child = subprocess.Popen([nginx, "-p", str(self.prefix), "-c", str(config)], stderr=subprocess.DEVNULL)
        self.pid = self.child.pid
        deadline = time.monotonic() + 5
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.child.poll() is not None:
                    sys.exit(f"nginx did not start; see {self.prefix}/logs/error.log")
                time.sleep(0.02)

    def stop(self):
        self.child.terminate()
        self.child.wait(10)


def answer_600():
    usage = ('"usage":{"prompt_tokens":250,"completion_tokens":60,"total_tokens":310,"prompt_tokens_details":'
             '{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}')
    start = ('{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"gpt-4o-mini","choices":'
             '[{"index":0,"message":{"role":"assistant","content":"')
    middle = '"},"finish_reason":"stop"}],'
    return start + "x" * (600 - len(start) - len(middle) - len(usage)) + middle + usage


def question(streamed):
    ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ""}]}
    if streamed:
        ask |= {"stream": True, "stream_options": {"include_usage": True}}
    size = len(json.dumps(ask))
    ask["messages"][0]["content"] = ("word " * 300)[: 1024 - size]
    return json.dumps(ask)


def wrk(port, path, body_file, connections, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "post.lua"),
               f"http://127.0.0.1:{port}{path}"]
    out = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BENCH_BODY": str(body_file)})
    found = re.search(r"RESULT (\{.*\})", out.stdout)
    if not found:
        sys.exit(f"wrk failed: {out.stdout}{out.stderr}")
    return json.loads(found.group(1))


class Log:
    """What the node has captured and committed."""

    def __init__(self, node, directory):
        self.http = httpx.Client(
            base_url=node.url, headers={"Authorization": f"Bearer {admin_token(directory)}"}, timeout=30)

    def settle(self):
        """Waits until every captured row is committed. Returns (rows committed since the start, seconds waited)."""
        start = time.monotonic()
        while True:
            outbox = self.http.get("/status").json()["outbox"]
            if outbox["pending"] == 0:
                return outbox["acked"], time.monotonic() - start
            if time.monotonic() - start > 120:
                sys.exit(f"rows were not committed within 120 s: {outbox}")
            time.sleep(0.05)


    def visible(self, url, body, calls=200):
        """Milliseconds from an answer's end to the moment that its row is read by its id, call after call."""
        times = []
        with httpx.Client() as client:
            for _ in range(calls):
                answer = client.post(url + CHAT, content=body, headers={
                    "authorization": "Bearer sk-bench", "content-type": "application/json"})
                start = time.monotonic()
                row = f"/client/v4/accounts/default/ai-gateway/gateways/default/logs/{answer.headers['cf-aig-log-id']}"
                while self.http.get(row).status_code != 200:
                    pass
                times.append((time.monotonic() - start) * 1e3)
        times.sort()
        return {"p50": round(times[len(times) // 2], 1), "p99": round(times[int(len(times) * 0.99)], 1),
                "max": round(times[-1], 1)}


class NoLog:
    def settle(self):
        time.sleep(0.2)
        return 0, 0.0


def case(pid, port, path, body_file, connections, seconds, log):
    wrk(port, path, body_file, connections, 2)      # warm
    rows, _ = log.settle()
    before = cpu_seconds(pid)
    result = wrk(port, path, body_file, connections, seconds)
    all_rows, waited = log.settle()
    used = cpu_seconds(pid) - before
    # wrk leaves calls unfinished when its time is up: those have rows too.
    if all_rows and not 0 <= all_rows - rows - result["requests"] <= 2 * connections:
        sys.exit(f"{result['requests']} answers and {all_rows - rows} rows: the log is not whole")
    return {"rows": all_rows - rows, "committedAfterSeconds": round(waited, 2), "requestsPerSecond": round(result["requests"] / result["seconds"]), "p50Ms": result["p50Ms"],
            "p99Ms": result["p99Ms"], "cpuMicrosPerRequest": round(used / max(1, result["requests"]) * 1e6, 1),
            "rssMB": rss_mb(pid), "errors": result["errors"], "requests": result["requests"]}


def soak(node, port, body_file, requests, log):
    """RSS after every tenth of the requests."""
    sizes, done = [rss_mb(node.pid)], 0
    while done < requests:
        part = 0
        while part < requests / 10:
            part += wrk(port, CHAT, body_file, 64, 5)["requests"]
        log.settle()
        done += part
        sizes.append(rss_mb(node.pid))
        print(f"  soak: {done} requests, RSS {sizes[-1]} MB", file=sys.stderr)
    late = sizes[len(sizes) // 2:]
    return {"requests": done, "rssMB": sizes, "growthOfSecondHalfMB": round(late[-1] - late[0], 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of each case")
    parser.add_argument("--rounds", type=int, default=2, help="of each case; the medians are shown")
    parser.add_argument("--soak", action="store_true", help="also 1 000 000 requests, watching RSS")
    parser.add_argument("--soak-requests", type=int, default=1_000_000)
    parser.add_argument("--report", default="bench.json")
    options = parser.parse_args()
    report = {"cases": {}, "command": "make bench", "cores": os.cpu_count()}
    started = []
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as directory:
        bodies = {}
        for streamed in (False, True):
            bodies[streamed] = Path(directory) / f"body-{streamed}.json"
            bodies[streamed].write_text(question(streamed))
        try:
            text = answer_600()
            upstream = Nginx(directory, "upstream", f"location / {{ default_type application/json; return 200 '{text}'; }}")
            started.append(upstream)
            sse = start_mock(directory, "--stream-chunks", "20")
            started.append(sse)
            ports = {False: upstream.port, True: int(sse.url.rsplit(":", 1)[1])}
            for streamed in (False, True):
                print("streams of 20 events" if streamed else "1 KB request, 600 B answer", file=sys.stderr)
                run_pair(directory, ports[streamed], streamed, bodies[streamed], options, report, started)
        finally:
            for process in reversed(started):
                process.stop()
    Path(options.report).write_text(json.dumps(report, indent=1) + "\n")
    table(report)
    print(f"\nJSON: {options.report}")


def run_pair(directory, upstream, streamed, body, options, report, started):
    kind = "sse" if streamed else "json"
    proxy = Nginx(
        directory, f"proxy-{kind}",
        "location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering "
        f"{'off' if streamed else 'on'}; }}",
        f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}")
    started.append(proxy)
    home = Path(directory) / f"node-{kind}"
    home.mkdir()
    node = start_node(home, f"http://127.0.0.1:{upstream}")
    started.append(node)
    report.setdefault("readyMs", round(node.ready_seconds * 1e3))
    port = int(node.url.rsplit(":", 1)[1])
    logs = {"nginx": NoLog(), "tidegate": Log(node, home)}
    subjects = {"nginx": (proxy.pid, proxy.port, "/v1/chat/completions"), "tidegate": (node.pid, port, CHAT)}
    for connections in (16, 64):
        name = f"{kind} c={connections}"
        rounds = {subject: [] for subject in subjects}
        for _ in range(options.rounds):
            for subject, (pid, at, path) in subjects.items():    # in turns: the machine's mood hits both
                rounds[subject].append(case(pid, at, path, body, connections, options.seconds, logs[subject]))
        report["cases"][name] = {
            subject: {key: statistics.median(r[key] for r in results) for key in results[0]}
            for subject, results in rounds.items()}
    if not streamed:
        request = body.read_bytes()
        direct = open_loop.measure(upstream, "/v1/chat/completions", request)
        through = {s: open_loop.measure(at, path, request) for s, (_, at, path) in subjects.items()}
        report["at500PerSecond"] = {"direct": direct, **through, "addedP99Ms": {
            s: round(through[s]["p99Ms"] - direct["p99Ms"], 3) for s in through if through[s]["p99Ms"]}}
        report["visibleAfterMs"] = logs["tidegate"].visible(node.url, request)
        if options.soak:
            report["soak"] = soak(node, port, body, options.soak_requests, logs["tidegate"])
    for process in (node, proxy):
        process.stop()
        started.remove(process)


def table(report):
    print(f"\n{'case':<10} {'proxy':<9} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/req':>11} {'RSS MB':>7} {'errors':>6} "
          f"{'rows':>8} {'all committed after':>19}")
    for name, subjects in report["cases"].items():
        for subject, r in subjects.items():
            print(f"{name:<10} {subject:<9} {r['requestsPerSecond']:>8.0f} {r['p50Ms']:>8.2f} {r['p99Ms']:>8.2f} "
                  f"{r['cpuMicrosPerRequest']:>11.1f} {r['rssMB']:>7.1f} {r['errors']:>6.0f} {r['rows']:>8.0f} "
                  f"{r['committedAfterSeconds']:>17.2f} s")
        nginx, ours = subjects["nginx"], subjects["tidegate"]
        print(f"{'':<10} {'ratio':<9} {ours['requestsPerSecond'] / max(1, nginx['requestsPerSecond']):>8.2f} {'':>8} {'':>8} "
              f"{ours['cpuMicrosPerRequest'] / max(0.1, nginx['cpuMicrosPerRequest']):>11.2f}")
    rate = report["at500PerSecond"]
    print(f"\nopen loop, 500 requests/s: p99 direct {rate['direct']['p99Ms']} ms; added by "
          + ", ".join(f"{s} {ms} ms" for s, ms in rate["addedP99Ms"].items()))
    print(f"a row can be read by its id after: {report['visibleAfterMs']} ms")
    print(f"ready after start: {report['readyMs']} ms")
    if "soak" in report:
        print(f"soak: {report['soak']['requests']} requests, RSS {report['soak']['rssMB']} MB")


if __name__ == "__main__":
    main()
