"""The tracker as it is served; what it does is tried in a browser (tests/end_to_end)."""

import gzip
from pathlib import Path

import pytest
from trio.testing import MockClock

import ingest.http
from ingest.http.tracker.script import is_script
from tests.ingest.http.application import Application

MINIFIED = Path(ingest.http.__file__).with_name("tracker") / "script.min.js"
PATH = "/js/script.js"


async def test_it_is_served_to_every_page(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.ask("GET", PATH, headers={"origin": "https://example.com"})
    assert answer.status == 200
    assert answer.body == MINIFIED.read_bytes()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("public, max-age=86400")
    assert headers["vary"] == "accept-encoding"
    assert headers["content-length"] == str(len(answer.body))
    assert headers["etag"].startswith('"')
    assert "content-encoding" not in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0.1", "gzip"),
        ("gzip;q=0, br", None),
        ("br", None),
        ("identity", None),
        ("", None),
        (None, None),
    ],
)
async def test_codings(
    autojump_clock: MockClock, application: Application, accepted: str | None, coding: str | None
) -> None:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    answer = await application.ask("GET", PATH, headers=headers)
    assert answer.headers.get("content-encoding") == coding
    body = gzip.decompress(answer.body) if coding else answer.body
    assert body == MINIFIED.read_bytes()


async def test_each_coding_has_a_tag_of_its_own_that_stays(
    autojump_clock: MockClock, application: Application
) -> None:
    compressed = {"accept-encoding": "gzip"}
    answers = [
        await another.ask("GET", PATH, headers=headers)
        for another in (application, Application(application.pipeline))
        for headers in ({}, compressed)
    ]
    tags = [answer.headers["etag"] for answer in answers]
    assert tags[:2] == tags[2:]
    assert tags[0] != tags[1]
    assert answers[1].body == answers[3].body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{tag}", 304),
        ('"other", {tag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("other", 200),
    ],
)
async def test_who_has_it_is_not_sent_it_again(
    autojump_clock: MockClock, application: Application, sent: str, status: int
) -> None:
    tag = (await application.ask("GET", PATH)).headers["etag"]
    answer = await application.ask("GET", PATH, headers={"if-none-match": sent.format(tag=tag)})
    assert answer.status == status
    assert answer.headers["etag"] == tag
    assert answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert bool(answer.body) is (status == 200)


async def test_a_weak_tag_of_a_proxy_is_its_tag(
    autojump_clock: MockClock, application: Application
) -> None:
    """Proxies that compress weaken tags; a GET compares weakly (RFC 9110 §13.1.2)."""
    tag = (await application.ask("GET", PATH)).headers["etag"]
    answer = await application.ask("GET", PATH, headers={"if-none-match": f"W/{tag}"})
    assert answer.status == 304


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("script.js", True),
        ("plausible.js", True),
        ("script.hash.js", True),
        ("script.file-downloads.hash.outbound-links.js", True),
        ("script.manual.local.exclusions.pageview-props.revenue.compat.js", True),
        ("script.tagged-events.js", False),
        ("script.hash.nonsense.js", False),
        ("plausible.hash.js", False),
        ("script..js", False),
        ("script.js.map", False),
        ("script.min.js", False),
        ("tracker.js", False),
        ("script", False),
        ("", False),
    ],
)
def test_names(name: str, expected: bool) -> None:
    assert is_script(name) is expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/js/script.hash.js", 200),
        ("GET", "/js/script.tagged-events.js", 404),
        ("GET", "/js/../script.js", 404),
        ("GET", "/js/", 404),
        ("GET", "/js/script.js/", 404),
        ("POST", "/js/script.js", 405),
        ("OPTIONS", "/js/script.js", 204),
    ],
)
async def test_routes(
    autojump_clock: MockClock, application: Application, method: str, path: str, status: int
) -> None:
    assert (await application.ask(method, path)).status == status


def test_it_is_small() -> None:
    """Under 2 kB, as most browsers take it."""
    assert len(gzip.compress(MINIFIED.read_bytes(), 9, mtime=0)) < 2000
