"""Retention by age over HTTP: the setting. That rows go at their age is tested under a clock that tests can move."""

import pytest

GATEWAYS = "/accounts/default/ai-gateway/gateways"
SETTINGS = {
    "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True, "rate_limiting_interval": 0,
    "rate_limiting_limit": 0, "rate_limiting_technique": "fixed"}


def test_days_are_kept_changed_and_cleared(management):
    made = management.call("POST", GATEWAYS, json={"id": "aging", **SETTINGS})["result"]
    assert made["log_retention_days"] is None
    path = f"{GATEWAYS}/aging"
    for days in (1, 36_500):
        management.call("PUT", path, json={**SETTINGS, "log_retention_days": days})
        assert management.call("GET", path)["result"]["log_retention_days"] == days
    kept = management.call("PUT", path, json=SETTINGS)["result"]
    assert kept["log_retention_days"] == 36_500, "a field that is left out keeps its value"
    assert management.call("PUT", path, json={**SETTINGS, "log_retention_days": None})["result"][
        "log_retention_days"] is None


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "30", True, [], {}])
def test_what_is_no_number_of_days_is_refused(management, days):
    answer = management.call(
        "POST", GATEWAYS, status=400, json={"id": "never", **SETTINGS, "log_retention_days": days})
    assert answer["errors"][0]["path"] == ["body", "log_retention_days"] and answer["errors"][0]["message"]


def test_a_young_row_stays(stack, openai_client, management):
    management.call("POST", GATEWAYS, json={"id": "young", **SETTINGS, "log_retention_days": 1})
    client = openai_client.with_options(base_url=f"{stack.node.url}/v1/default/young/openai")
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
    management.logs_path = f"{GATEWAYS}/young/logs"
    try:
        management.row(raw.headers["cf-aig-log-id"])
    finally:
        management.logs_path = f"{GATEWAYS}/default/logs"
