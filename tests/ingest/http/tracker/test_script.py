"""The tracker as it is served; what it does is tried in a browser (tests/end_to_end)."""

import gzip
from pathlib import Path

import pytest
from trio.testing import MockClock

import ingest.http
from ingest.sites.site import Site, SiteRegistry, SiteScript
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


def with_script(application: Application, **options: bool) -> Application:
    """Give the site a script of its own."""
    site = Site(1, "example.com", script=SiteScript("x1", **options))
    application.pipeline.reference.registry = SiteRegistry([site])
    return application


def findings(application: Application) -> list[dict[str, str]]:
    return [each for each in application.live.report()["findings"] if each["part"] == "scripts"]


@pytest.mark.parametrize("name", ["pa-x1.js", "s-x1.js"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, '{"domain": "example.com"}'),
        (
            {"outbound_links": True, "file_downloads": True},
            '{"domain": "example.com", "outboundLinks": true, "fileDownloads": true}',
        ),
        (
            {"form_submissions": True, "hash_based_routing": True},
            '{"domain": "example.com", "formSubmissions": true, "hashBasedRouting": true}',
        ),
    ],
)
async def test_a_script_of_a_site(
    autojump_clock: MockClock,
    application: Application,
    name: str,
    options: dict[str, bool],
    expected: str,
) -> None:
    answer = await with_script(application, **options).ask("GET", f"/js/{name}")
    assert answer.status == 200
    assert answer.body.decode() == MINIFIED.read_text().removesuffix("();\n") + f"({expected});\n"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"].startswith("public, max-age=60,")
    assert answer.headers["access-control-allow-origin"] == "*"
    again = await application.ask(
        "GET", f"/js/{name}", headers={"if-none-match": answer.headers["etag"]}
    )
    assert again.status == 304
    assert findings(application) == []


async def test_a_change_of_options_is_another_script(
    autojump_clock: MockClock, application: Application
) -> None:
    tags = [
        (await with_script(application, outbound_links=on).ask("GET", "/js/pa-x1.js")).headers[
            "etag"
        ]
        for on in (True, False)
    ]
    assert tags[0] != tags[1]


async def test_the_script_of_an_unknown_site(
    autojump_clock: MockClock, application: Application
) -> None:
    for _ in range(2):
        answer = await with_script(application).ask("GET", "/js/pa-X1.js")
    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"
    (finding,) = findings(application)
    assert finding["severity"] == "note"
    assert finding["what"] == (
        "Pages ask for scripts of sites that are not known: “/js/pa-X1.js” (2 requests)."
    )


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("scripts.js", True),
        ("p.hash.js", True),
        ("pa-.js", True),
        ("script.css", False),
        ("script.js.map", False),
        ("script%3C.js", False),
        ("a%E2%80%AEb.js", False),
        (f"{'x' * 205}.js", False),
    ],
)
async def test_names_that_are_not_found(
    autojump_clock: MockClock, application: Application, name: str, noted: bool
) -> None:
    assert (await application.ask("GET", f"/js/{name}")).status == 404
    assert [finding["what"] for finding in findings(application)] == [
        f"Pages ask for scripts that were not found: “/js/{name}” (1 request)."
    ] * noted


async def test_unknown_words(autojump_clock: MockClock, application: Application) -> None:
    answer = await application.ask("GET", "/js/script.hash.mystery.min.js")
    assert answer.status == 200
    assert answer.body.decode() == MINIFIED.read_text() + (
        'console.warn("sluice: /js/script.hash.mystery.min.js has unknown words: mystery, min");\n'
    )
    assert answer.headers["cache-control"].startswith("public, max-age=86400,")
    (finding,) = findings(application)
    assert finding["severity"] == "note"
    assert "“/js/script.hash.mystery.min.js” (1 request)" in finding["what"]
    assert application.live.report()["headline"] == "All is well"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/js/script.hash.js", 200),
        ("GET", "/js/p.js", 200),
        ("HEAD", "/js/analytics.tagged-events.js", 200),
        ("GET", "/js/pa-unknown.js", 404),
        ("GET", "/js/tracker.js", 404),
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
    """At most 2.3 kB, as most browsers take it."""
    assert len(gzip.compress(MINIFIED.read_bytes(), 9, mtime=0)) <= 2300
