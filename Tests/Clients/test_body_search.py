"""Search in bodies over HTTP: words of requests and of streamed answers."""

from management import nonce

GATEWAYS = "/accounts/default/ai-gateway/gateways"
SETTINGS = {
    "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True, "rate_limiting_interval": 0,
    "rate_limiting_limit": 0, "rate_limiting_technique": "fixed"}


def test_words_of_bodies_are_found(stack, openai_client, management):
    word = nonce()
    client = openai_client.with_options(base_url=f"{stack.node.url}/v1/default/words/openai")
    made = management.call("POST", GATEWAYS, json={"id": "words", **SETTINGS, "full_text_search": True})["result"]
    assert made["full_text_search"] is True
    for index in range(3):
        text = f"Übersee zugzwang {'quokka' if index else 'numbat'} nonce:{word}"
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    streamed = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"nonce:{word}"}], stream=True)
    answer = "".join(part.choices[0].delta.content or "" for part in streamed if part.choices)
    assert word in answer
    logs = f"{GATEWAYS}/words/logs"
    management.logs_path = logs
    try:
        management.row(raw.headers["cf-aig-log-id"])
        wait = [row for row in management.all() if row["response_content_type"].startswith("text/event-stream")]

        def found(search, **more):
            page = management.call("GET", logs, params={"body_search": search, **more})
            assert page["result_info"]["bodies_not_searched"] == 0
            assert page["result_info"]["total_count"] >= len(page["result"])
            return page["result"]

        assert len(wait) == 1 and len(found(word)) == 4
        assert len(found("quokka zugzwang")) == 2 and len(found("NUMBAT übersee")) == 1 and len(found("zugz")) == 3
        assert found("quokka nowhere") == []
        assert len(found(word, filters='[{"key":"model","operator":"eq","value":["gpt-4o-mini"]}]')) == 4
        for hostile in ['"', "* (^", "\U0001F600", "x" * 5_000]:
            management.call("GET", logs, status=400, params={"body_search": hostile})
        for odd in ['tide" OR "ebb', "tide*", "tide -ebb", "NOT tide AND harbour"]:
            management.call("GET", logs, params={"body_search": odd})
        off = management.call("PUT", f"{GATEWAYS}/words", json={**SETTINGS, "full_text_search": False})["result"]
        assert off["full_text_search"] is False
    finally:
        management.logs_path = f"{GATEWAYS}/default/logs"
