"""The dashboard in a real browser, as somebody uses it on their first day."""

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from management import nonce
from processes import admin_token

CALLS = 60
HOSTILE = "<img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def called(stack):
    """A gateway of its own with sixty good calls and a bad one. The word is the first call's."""
    stack.management.call(
        "POST", "/accounts/default/ai-gateway/gateways",
        json={"id": "board", "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
              "rate_limiting_interval": 0, "rate_limiting_limit": 0, "rate_limiting_technique": "fixed"})
    word = nonce()
    url = f"{stack.node.url}/v1/default/board/openai"
    with httpx.Client(headers={"authorization": "Bearer sk-mock"}) as http:
        for index in range(CALLS):
            text = f"{HOSTILE} nonce:{word}" if index == 0 else "hello"
            answer = http.post(
                f"{url}/chat/completions", headers={"cf-aig-event-id": word if index == 0 else "other"},
                json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]})
            assert answer.status_code == 200, answer.text
        assert http.get(f"{url}/nowhere").status_code == 404
    return word


def until(browser, condition, seconds=20):
    return WebDriverWait(browser, seconds, ignored_exceptions=(Exception,)).until(lambda _: condition())


def field(browser, label):
    return browser.find_element(By.XPATH, f"//label[span='{label}']/*[self::input or self::select]")


def rows(browser):
    return browser.find_elements(By.CSS_SELECTOR, "tbody tr")


def press(browser, text):
    browser.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()


def said(browser):
    return browser.find_element(By.CSS_SELECTOR, "main > p[role=status]").text


def test_first_day(browser, stack, called):
    browser.get(stack.node.url + "/")
    token = until(browser, lambda: field(browser, "Token"))
    token.send_keys("nonsense")
    press(browser, "Sign in")
    until(browser, lambda: "not valid" in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text)
    token.clear()
    token.send_keys(admin_token(stack.directory))
    press(browser, "Sign in")
    Select(until(browser, lambda: field(browser, "Gateway"))).options
    until(browser, lambda: Select(field(browser, "Gateway")).select_by_visible_text("board") is None)

    # Pages.
    until(browser, lambda: len(rows(browser)) == 50 and f"{CALLS + 1} calls match; page 1" in said(browser))
    press(browser, "Older")
    until(browser, lambda: len(rows(browser)) == CALLS + 1 - 50 and "page 2" in said(browser))
    press(browser, "Newest")
    until(browser, lambda: len(rows(browser)) == 50)

    # Totals of the last day.
    figures = until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "section.totals dl").text)
    assert f"Calls\n{CALLS + 1}" in figures
    assert browser.find_elements(By.CSS_SELECTOR, "svg.chart rect.calls")

    # A filter, and a page of a moving time behind its first one.
    Select(field(browser, "Result")).select_by_visible_text("Error")
    until(browser, lambda: len(rows(browser)) == 1 and "404" in rows(browser)[0].text)
    Select(field(browser, "Result")).select_by_visible_text("All")
    Select(field(browser, "Time")).select_by_visible_text("Last hour")
    until(browser, lambda: len(rows(browser)) == 50)
    press(browser, "Older")
    until(browser, lambda: len(rows(browser)) == CALLS + 1 - 50)

    # Search finds the one call; its bodies are text, whatever they say.
    field(browser, "Search").send_keys(called)
    until(browser, lambda: len(rows(browser)) == 1)
    press(browser, "Open")
    until(browser, lambda: HOSTILE in browser.find_element(By.CSS_SELECTOR, "section pre").text)
    assert browser.title == "Tidegate" and not browser.find_elements(By.CSS_SELECTOR, "section img")

    # So do words of its bodies; a search without a word says what is wrong.
    field(browser, "Search").clear()
    field(browser, "In bodies").send_keys(called)
    until(browser, lambda: len(rows(browser)) == 1 and "1 calls match" in said(browser))
    field(browser, "In bodies").clear()
    field(browser, "In bodies").send_keys("?")
    until(browser, lambda: "letters or digits" in said(browser))
    field(browser, "In bodies").clear()
    until(browser, lambda: len(rows(browser)) == 50)

    # Feedback reaches the row.
    press(browser, "👍 Good")
    until(browser, lambda: "Saved." in browser.find_element(By.CSS_SELECTOR, "section[aria-label=Details]").text)
    path = "/accounts/default/ai-gateway/gateways/board/logs"
    found = stack.management.call("GET", path, params={"search": called})["result"]
    assert [row["feedback"] for row in found] == [1]

    press(browser, "Sign out")
    until(browser, lambda: field(browser, "Token"))
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # The token and the search that were wrong on purpose, and the browser's own wish for an icon.
    expected = ("401", "400", "favicon")
    assert all(any(part in entry["message"] for part in expected) for entry in severe), severe
