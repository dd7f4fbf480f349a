"""One node and one mock provider for all tests of a run. Their logs are printed when a test fails."""

import tempfile
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from management import Management
from processes import admin_token, start_mock, start_node


class Stack:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.mock = start_mock(directory, "--stream-chunks", "8", "--require-key")
        try:
            self.node = start_node(directory, self.mock.url)
        except Exception:
            self.mock.stop()
            raise
        self.base = f"{self.node.url}/v1/default/default"
        self.management = Management(self.node.url, admin_token(directory))

    def mock_stats(self):
        return httpx.get(f"{self.mock.url}/mock/stats").json()

    def stop(self):
        code = self.node.stop()
        self.mock.stop()
        assert code == 0, f"the node ended with {code} after SIGTERM:\n{self.node.tail()}"


@pytest.fixture(scope="session")
def stack():
    with tempfile.TemporaryDirectory(prefix="tidegate-clients-") as directory:
        stack = Stack(directory)
        try:
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def management(stack):
    return stack.management


@pytest.fixture
def openai_client(stack):
    return openai.OpenAI(base_url=f"{stack.base}/openai", api_key="sk-mock", max_retries=0, timeout=20)


@pytest.fixture
def anthropic_client(stack):
    return anthropic.Anthropic(base_url=f"{stack.base}/anthropic", api_key="sk-mock", max_retries=0, timeout=20)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    stack = (getattr(item, "funcargs", None) or {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("node log", stack.node.tail()))
