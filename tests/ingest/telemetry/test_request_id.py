import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.telemetry.request_id import RequestId

MADE = re.compile(r"[0-9a-f]{16}")


def request_id(given: str | None, *, believed: bool = True) -> str:
    name = RequestId(lambda: believed)
    name.begin({} if given is None else {"x-request-id": given})
    return name.text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("01234567-89ab-cdef-0123-456789abcdef", id="a UUID, as Heroku and Caddy"),
        pytest.param("5f1c0a2b9d3e4f60718293a4b5c6d7e8", id="nginx"),
        pytest.param("Root=1-67891233-abcdef012345678912345678", id="AWS"),
        pytest.param("a" * 200, id="the longest"),
    ],
)
def test_a_believed_proxy_names_its_requests(text: str) -> None:
    assert request_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("a b", id="a space"),
        pytest.param("a\n", id="a line's end"),
        pytest.param('a","level":"error', id="forged JSON"),
        pytest.param("\x1b[31m", id="a terminal's escape"),
        pytest.param("größe", id="not ASCII"),
        pytest.param("a" * 201, id="too long"),
    ],
)
def test_an_id_is_made_where_none_is_usable(text: str | None) -> None:
    assert MADE.fullmatch(request_id(text))


def test_a_stranger_names_nothing() -> None:
    assert MADE.fullmatch(request_id("abc", believed=False))


def test_an_id_is_for_one_request() -> None:
    name = RequestId(lambda: True)
    name.begin({})
    first = name.text
    assert name.text == first
    name.begin({})
    assert name.text != first
    name.begin({"x-request-id": "abc"})
    assert name.text == "abc"


def test_belief_is_not_asked_for_what_nobody_reads() -> None:
    def believed() -> bool:
        raise AssertionError

    RequestId(believed).begin({"x-request-id": "abc"})


@given(st.text())
def test_ids_are_safe_in_headers_and_logs(text: str) -> None:
    found = request_id(text)
    assert 0 < len(found) <= 200
    assert re.fullmatch(r"[!-~]+", found)
