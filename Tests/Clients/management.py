"""The management API as a plain HTTP client sees it, and what a row must say."""

import csv
import json
import time
import uuid

import httpx

from processes import REPOSITORY


class Management:
    def __init__(self, url, token, account="default", gateway="default"):
        self.http = httpx.Client(base_url=f"{url}/client/v4", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.account = account
        self.logs_path = f"/accounts/{account}/ai-gateway/gateways/{gateway}/logs"

    def call(self, method, path, status=200, patience=20, **arguments):
        """Asks again as long as a node says that a slot is between two owners (503 with `retry-after`)."""
        deadline = time.monotonic() + patience
        while True:
            response = self.http.request(method, path, **arguments)
            if response.status_code != 503 or "retry-after" not in response.headers or time.monotonic() > deadline:
                break
            time.sleep(0.25)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:400]}"
        return response.json()

    def page(self, filters=(), page=1, per_page=50, **query):
        """The page's whole envelope. Filters are (key, operator, [values])."""
        if filters:
            query["filters"] = json.dumps([{"key": k, "operator": o, "value": list(v)} for k, o, v in filters])
        return self.call("GET", self.logs_path, params={"page": page, "per_page": per_page, **query})

    def all(self, filters=()):
        rows, page = [], 1
        while True:
            found = self.page(filters, page=page, order_by="created_at", order_by_direction="asc")["result"]
            rows += found
            if not found:
                return rows
            page += 1

    def row(self, log_id, seconds=2.0):
        """Waits for the row: a log is written behind the answer."""
        deadline = time.monotonic() + seconds
        while True:
            response = self.http.get(f"{self.logs_path}/{log_id}")
            if response.status_code == 200:
                return response.json()["result"]
            # 503: the slot is between two owners, or its owner between two leases.
            assert response.status_code in (404, 503), response.text
            assert time.monotonic() < deadline, f"row {log_id} is not there after {seconds} s"
            time.sleep(0.02)

    def by_event(self, event_id, count=1, seconds=5.0):
        deadline = time.monotonic() + seconds
        while True:
            rows = self.page([("event_id", "eq", [event_id])])["result"]
            if len(rows) >= count or time.monotonic() > deadline:
                assert len(rows) == count, f"{len(rows)} rows with event id {event_id}, expected {count}"
                return rows
            time.sleep(0.02)

    def body(self, log_id, part):
        response = self.http.get(f"{self.logs_path}/{log_id}/{part}")
        assert response.status_code == 200, f"{part} of {log_id}: {response.status_code} {response.text[:200]}"
        return response.content

    def usage(self):
        return self.call("GET", f"/accounts/{self.account}/usage")["result"]

    def live_rows(self, gateway="default"):
        return next(g["live"] for g in self.usage()["perGateway"] if g["id"] == gateway)


def nonce():
    return uuid.uuid4().hex[:16]


def tokens(count_bytes):
    """The mock provider's rule."""
    return (count_bytes + 3) // 4


def prices():
    """The bundled price list, which is the text between the triple quotes of ModelPrices.swift."""
    source = (REPOSITORY / "Sources/TidegateGateway/Prices/ModelPrices.swift").read_text()
    lines = [line.strip() for line in source.split('"""')[1].strip().splitlines()]
    return {
        (line["provider"], line["model"]): {
            key: float(line[f"{key}_usd_per_mtok"] or 0) for key in ("input", "output", "cache_read", "cache_write")}
        for line in csv.DictReader(lines)}


PRICES = prices()
PRICED_AS = {"google-ai-studio": "gemini"}


def cost(provider, model, uncached, output, read=0, written=0):
    price = PRICES[PRICED_AS.get(provider, provider), model]
    return (uncached * price["input"] + output * price["output"] + read * price["cache_read"]
            + written * price["cache_write"]) / 1e6


def check_row(management, log_id, *, provider, model, path, status=200, answer_text=None, word=None):
    """What every row of an answered call must say. Returns (row, request body, response body)."""
    row = management.row(log_id)
    request, response = management.body(log_id, "request"), management.body(log_id, "response")
    assert row["provider"] == provider
    assert row["model"] == model
    assert path in row["path"]
    assert row["status_code"] == status
    assert row["success"] is (200 <= status < 400)
    assert row["cached"] is False
    assert row["outcome"] == "completed" and row["attempts"] >= 1
    if status < 300:
        assert row["usage_source"] == "provider" and row["price_version"]
    assert isinstance(row["duration"], int) and 0 <= row["duration"] < 30_000
    assert row["created_at"].endswith("Z")
    if word:
        assert word.encode() in request and word.encode() in response
    if answer_text is not None:
        assert row["tokens_in"] == tokens(len(request)), "input tokens are a quarter of the request's bytes"
        assert row["tokens_out"] == tokens(len(answer_text.encode()))
    return row, request, response
