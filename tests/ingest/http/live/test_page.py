"""The routes of the live page: whom they answer, and with what."""

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from trio.testing import MockClock

from ingest.http.live.page import PAGE_POLICY, read_assets
from ingest.model.verdict import DropReason
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.http.application import Application, HTTPAnswer

HERE = "127.0.0.1"
TOKEN = "a-long-enough-token"
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ROUTES = ["/", "/page/page.js", "/favicon.ico", "/api/status"]


def basic(credentials: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def addresses(self) -> Iterator[str]:
        for _, attributes in self.found:
            for name in ("href", "src"):
                address = attributes.get(name)
                if address is not None:
                    yield address


async def test_the_page_is_made_of_its_own_files_only(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.ask("GET", "/", peer=HERE)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    assert "'unsafe" not in PAGE_POLICY
    page = Elements(answer.body)
    for address in page.addresses():
        # Relative, for a proxy that has put the page below a path.
        assert re.match(r"#|[a-z]", address), address
        assert ":" not in address, address
        if not address.startswith("#"):
            found = await application.ask("GET", f"/{address}", peer=HERE)
            assert found.status == 200, address
    for tag, attributes in page.found:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script":
            assert attributes["src"]
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", sorted(read_assets()))
async def test_assets(autojump_clock: MockClock, application: Application, name: str) -> None:
    answer = await application.ask("GET", f"/page/{name}", peer=HERE)
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] in (
        "text/css",
        "text/javascript",
        "image/svg+xml",
    )
    assert answer.headers["cache-control"] == "private, no-cache"
    text = answer.body.decode()
    for address in re.findall(r"https?://[^\s\"'`]*", text):
        # A namespace, and a text: nothing that is fetched.
        assert address in ("http://www.w3.org/2000/svg", "https://${site}/")
    for imported in re.findall(r'from "([^"]*)"', text):
        assert imported.removeprefix("./") in read_assets()
    # Text that clients have made up is never read as markup.
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert unsafe not in text


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ('"other"', 200),
        ("{unquoted}", 200),
        ("", 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/page/page.css"])
async def test_what_the_browser_has_is_not_sent_again(
    autojump_clock: MockClock, application: Application, path: str, known: str, status: int
) -> None:
    etag = (await application.ask("GET", path, peer=HERE)).headers["etag"]
    header = known.format(etag=etag, unquoted=etag.strip('"'))
    answer = await application.ask("GET", path, headers={"if-none-match": header}, peer=HERE)
    assert answer.status == status
    assert answer.headers["etag"] == etag
    assert bool(answer.body) is (status == 200)
    # What a stranger is told does not depend on what they claim to have.
    assert (await application.ask("GET", path, headers={"if-none-match": header})).status == 403


@pytest.mark.parametrize("path", ROUTES)
async def test_heads(autojump_clock: MockClock, application: Application, path: str) -> None:
    answer = await application.ask("HEAD", path, peer=HERE)
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert (await application.ask("HEAD", path)).status == 403


@pytest.mark.parametrize(
    "path", ["/page/", "/page", "/page/none.js", "/page/index.html", "/page/../serve.py"]
)
async def test_there_are_no_other_files(
    autojump_clock: MockClock, application: Application, path: str
) -> None:
    answer = await application.ask("GET", path, peer=HERE)
    assert answer.status == 404
    assert answer.json["errors"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ROUTES)
async def test_nothing_can_be_changed(
    autojump_clock: MockClock, application: Application, path: str, method: str
) -> None:
    answer = await application.ask(method, path, peer=HERE)
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("1790078400", 200),
        ("0", 200),
        ("999999999999999", 200),
        ("1000000000000000", 400),
        ("-1", 400),
        ("1e9", 400),
        ("%D9%A3", 400),
        ("", 400),
    ],
)
async def test_the_beginning_of_the_history(
    autojump_clock: MockClock, application: Application, since: str, status: int
) -> None:
    answer = await application.ask("GET", f"/api/status?since={since}", peer=HERE)
    assert answer.status == status
    if status == 400:
        assert answer.json == {"errors": {"since": ["Must be a time in whole Unix seconds"]}}


async def refused(application: Application, headers: dict[str, str], peer: str) -> HTTPAnswer:
    answers = [await application.ask("GET", path, headers=headers, peer=peer) for path in ROUTES]
    assert len({answer.status for answer in answers}) == 1
    return answers[0]


async def test_without_a_token_the_page_is_this_machines(
    autojump_clock: MockClock, application: Application
) -> None:
    assert (await refused(application, {}, "203.0.113.9")).status == 403
    assert (await refused(application, {"host": "rebound.example"}, HERE)).status == 403
    assert (await refused(application, {"x-forwarded-for": HERE}, HERE)).status == 403
    assert (await refused(application, {"origin": "https://example.com"}, HERE)).status == 403
    assert (await refused(application, {"origin": "http://localhost"}, HERE)).status == 200


async def test_with_a_token_it_is_for_those_who_have_it(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    application = Application(pipeline, token=TOKEN)
    assert (await refused(application, {}, HERE)).status == 401
    assert (await refused(application, basic("admin:wrong"), HERE)).status == 401
    for headers in (basic(f"admin:{TOKEN}"), {"authorization": f"Bearer {TOKEN}"}):
        assert (await refused(application, headers, "203.0.113.9")).status == 200


@pytest.mark.parametrize("path", ROUTES)
async def test_browsers_are_asked_for_the_password(
    autojump_clock: MockClock, pipeline: Pipeline, path: str
) -> None:
    application = Application(pipeline, token=TOKEN)
    for headers in ({}, BROWSER):
        answer = await application.ask("GET", path, headers=headers)
        assert answer.status == 401
        assert answer.headers.getlist("www-authenticate") == [
            "Bearer",
            'Basic realm="Sluice", charset="UTF-8"',
        ]


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [(None, 403, b"http://localhost"), (TOKEN, 401, b"as the password")],
)
async def test_people_are_told_how_to_get_in(
    autojump_clock: MockClock, pipeline: Pipeline, token: str | None, status: int, words: bytes
) -> None:
    application = Application(pipeline, token=token)
    answer = await application.ask("GET", "/", headers=BROWSER)
    assert answer.status == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words in answer.body
    assert b"{" not in answer.body.replace(b" {", b"").replace(b"{ ", b"")
    assert TOKEN.encode() not in answer.body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert list(Elements(answer.body).addresses()) == []
    for accept in ("application/json", "*/*", "", "application/json, text/html;q=0.5"):
        answer = await application.ask("GET", "/", headers={"accept": accept})
        assert answer.status == status
        assert answer.json["errors"]["request"]


def test_every_drop_reason_has_a_label() -> None:
    words = read_assets()["words.js"].content.decode()
    labels = words.partition("const REASONS = {")[2].partition("}")[0]
    assert re.findall(r"(\w+): \"", labels) == [reason.value for reason in DropReason]
