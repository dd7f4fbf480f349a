"""Starts the node and the mock provider as the processes that users start, and stops them by their ids."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def binary():
    path = os.environ.get("TIDEGATE_BIN") or str(REPOSITORY / ".build" / "debug" / "tidegate")
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: build first (swift build), or set TIDEGATE_BIN")
    return path


class Process:
    """One child. Its standard error is kept and printed when something goes wrong."""

    def __init__(self, arguments, log, env=None, seconds=20):
        self.log = Path(log)
        self._sink = open(self.log, "ab")
        self.started = time.monotonic()
        self.child = subprocess.Popen(
            [binary(), *arguments], stdout=subprocess.PIPE, stderr=self._sink, text=True,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_")}, **(env or {})})
        self.url = self._ready(seconds)
        self.ready_seconds = time.monotonic() - self.started

    @property
    def pid(self):
        return self.child.pid

    def _ready(self, seconds):
        lines = queue.Queue()

        def read():
            for line in self.child.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                line = lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                break
            if line is None:
                break
            found = re.search(r"ready url=(\S+)", line)
            if found:
                return found.group(1)
        self.kill()
        raise RuntimeError(f"not ready after {seconds} s; its log:\n{self.tail()}")

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self):
        """SIGKILL, and wait until it is gone."""
        self.child.kill()
        self.child.wait()
        self._sink.close()

    def stop(self, seconds=20):
        """SIGTERM; returns the exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"did not stop within {seconds} s of SIGTERM; its log:\n{self.tail()}")
        self._sink.close()
        return self.child.returncode


def start_mock(directory, *flags):
    return Process(["mock-provider", "--listen", "127.0.0.1:0", *flags], Path(directory) / "mock.log")


def start_node(directory, mock_url, listen="127.0.0.1:0", flags=(), env=None, seconds=20):
    """State lies in `directory/state`, so that a second start finds the first one's."""
    providers = {
        "openai": f"{mock_url}/v1", "anthropic": mock_url, "google-ai-studio": mock_url, "workers-ai": mock_url}
    overrides = [part for slug, url in providers.items() for part in ("--provider", f"{slug}={url}")]
    return Process(
        ["serve", "--listen", listen, "--peer-listen", "127.0.0.1:0", "--state", str(Path(directory) / "state"),
         *overrides, *flags], Path(directory) / "node.log", env, seconds)


def admin_token(directory):
    return (Path(directory) / "state" / "admin-token").read_text().strip()
