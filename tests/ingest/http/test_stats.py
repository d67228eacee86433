"""The page with statistics and its data: whom they answer, and with what."""

import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.stores.store import QueryRefused, StoreUnavailable
from ingest.http.interruption import ENDS
from ingest.http.live.page import PAGE_POLICY, read_assets
from ingest.http.operator_routes import NO_STORE
from ingest.sites.site import Site, SiteRegistry
from ingest.stats.queries import FIGURES
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.http.application import Application
from tests.ingest.http.live.test_page import BROWSER, HERE, TOKEN, Elements, basic

PAGES = ["/stats", "/stats/", "/stats/example.com", "/stats/example.com/shop"]
ROUTES = [*PAGES, "/api/stats", "/api/stats?of=pages"]


@pytest.fixture
def asked(application: Application, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store is asked; it finds nothing."""
    statements: list[str] = []

    async def query(sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        statements.append(sql)
        return []

    monkeypatch.setattr(application.pipeline.store, "query", query)
    return statements


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_is_made_of_its_own_files_only(
    autojump_clock: MockClock, application: Application, path: str
) -> None:
    answer = await application.ask("GET", path, peer=HERE)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    page = Elements(answer.body)
    up = "../" * (path.count("/") - 1)
    for address in page.addresses():
        if address.startswith("#"):
            continue
        # Relative, for a proxy that has put the page below a path.
        assert re.fullmatch(rf"{re.escape(up)}(page/[a-z.]+|\.)", address), address
        name = address.rpartition("/")[2]
        assert name == "." or name in read_assets()
    for tag, attributes in page.found:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    again = await application.ask(
        "GET", path, headers={"if-none-match": answer.headers["etag"]}, peer=HERE
    )
    assert (again.status, again.body) == (304, b"")


async def refused(application: Application, headers: dict[str, str], peer: str) -> int:
    found = {
        (await application.ask(method, path, headers=headers, peer=peer)).status
        for path in ROUTES
        for method in ("GET", "HEAD")
    }
    (status,) = found
    return status


async def test_it_is_the_operators_as_the_live_page_is(
    autojump_clock: MockClock, application: Application, pipeline: Pipeline, asked: list[str]
) -> None:
    assert await refused(application, {}, "203.0.113.9") == 403
    assert await refused(application, {"host": "rebound.example"}, HERE) == 403
    assert await refused(application, {"x-forwarded-for": HERE}, HERE) == 403
    assert await refused(application, {}, HERE) == 200
    guarded = Application(pipeline, token=TOKEN)
    assert await refused(guarded, {}, HERE) == 401
    assert await refused(guarded, basic("admin:wrong"), HERE) == 401
    assert await refused(guarded, basic(f"admin:{TOKEN}"), "203.0.113.9") == 200
    page = await guarded.ask("GET", "/stats/example.com", headers=BROWSER)
    assert b"as the password" in page.body
    assert "www-authenticate" in page.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ROUTES)
async def test_nothing_can_be_changed(
    autojump_clock: MockClock, application: Application, path: str, method: str
) -> None:
    assert (await application.ask(method, path, peer=HERE)).status == 405


async def test_the_head(autojump_clock: MockClock, application: Application) -> None:
    answer = await application.ask("GET", "/api/stats?site=example.com&period=today", peer=HERE)
    assert answer.json == {
        "site": "example.com",
        "sites": ["example.com"],
        "period": {
            "name": "today",
            "from": "2026-09-22",
            "to": "2026-09-22",
            "unit": "hour",
            "timezone": "UTC",
            "so_far": True,
            "before": {"from": "2026-09-21", "to": "2026-09-21"},
        },
    }
    assert answer.headers["cache-control"] == "no-store"
    first = await application.ask("GET", "/api/stats?period=today", peer=HERE)
    assert first.json == answer.json


async def test_previous_domains_and_unknown_ones(
    autojump_clock: MockClock, application: Application
) -> None:
    reference = application.pipeline.reference
    reference.registry = SiteRegistry([Site(7, "new.example/shop", previous_domain="old.example")])
    for domain in ("new.example/shop", "new.example%2Fshop", "old.example"):
        answer = await application.ask("GET", f"/api/stats?site={domain}", peer=HERE)
        assert answer.json["site"] == "new.example/shop"
    for domain in ("none.example", "", "7"):
        answer = await application.ask("GET", f"/api/stats?site={domain}", peer=HERE)
        assert answer.status == 404
        assert "sluice sites add" in answer.json["errors"]["site"][0]
    reference.accept_unknown_sites = True
    answer = await application.ask("GET", "/api/stats?site=none.example", peer=HERE)
    assert answer.json["site"] == "none.example"
    reference.accept_unknown_sites = False
    reference.registry = SiteRegistry()
    assert (await application.ask("GET", "/api/stats", peer=HERE)).status == 404


async def test_days_are_those_of_the_site(
    autojump_clock: MockClock, application: Application
) -> None:
    reference = application.pipeline.reference
    zones = {"Pacific/Kiritimati": "2026-09-23", "America/New_York": "2026-09-22"}
    for zone, today in {**zones, "Not/Known": "2026-09-22"}.items():
        reference.registry = SiteRegistry([Site(1, "example.com", timezone=zone)])
        answer = await application.ask("GET", "/api/stats?period=today", peer=HERE)
        period = answer.json["period"]
        assert period["from"] == today
        assert period["timezone"] == (zone if zone in zones else "UTC")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("period=week", "period"),
        ("period=", "period"),
        ("period=custom", "from"),
        ("period=custom&from=2026-09-31", "from"),
        ("period=custom&from=2026-09-01&to=2026-08-01", "to"),
        ("period=custom&from=2026-09-01%27%20OR%201", "from"),
        ("of=everything", "of"),
        ("of=", "of"),
    ],
)
async def test_what_cannot_be_asked(
    autojump_clock: MockClock, application: Application, asked: list[str], query: str, field: str
) -> None:
    answer = await application.ask("GET", f"/api/stats?{query}", peer=HERE)
    assert answer.status == 400
    assert list(answer.json["errors"]) == [field]
    assert asked == []


@pytest.mark.parametrize("figure", [name for name in FIGURES if name not in ("now",)])
async def test_only_numbers_reach_the_store(
    autojump_clock: MockClock,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    figure: str,
) -> None:
    statements: list[str] = []

    async def query(sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        statements.append(sql)
        if FIGURES[figure].label:
            return []
        return ['{"visitors": 2, "pageviews": 4}' if figure == "visitors" else '{"visits": 2}']

    monkeypatch.setattr(application.pipeline.store, "query", query)
    path = f"/api/stats?of={figure}&site=example.com&period=custom&from=2026-09-01"
    answer = await application.ask("GET", path, peer=HERE)
    assert answer.status == 200, answer.body
    assert len(statements) == (2 if figure in ("visitors", "visits") else 1)
    for sql in statements:
        head = sql.partition("\n")[0]
        assert re.fullmatch(
            r"WITH 1 AS site, toDateTime\(\d+\) AS since, toDateTime\(\d+\) AS until"
            r"(, \[[\d, ]+\] AS buckets)?",
            head,
        )
        assert "example" not in sql


@pytest.mark.parametrize(
    ("failure", "status"), [(QueryRefused("too slow"), 400), (StoreUnavailable("gone"), 503)]
)
async def test_a_figure_that_fails_says_why(
    autojump_clock: MockClock,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    status: int,
) -> None:
    async def fail(sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        if "pathname" in sql:
            raise failure
        return []

    monkeypatch.setattr(application.pipeline.store, "query", fail)
    answer = await application.ask("GET", "/api/stats?of=pages", peer=HERE)
    assert (answer.status, answer.json) == (status, {"errors": {"of": [str(failure)]}})
    assert (await application.ask("GET", "/api/stats?of=sources", peer=HERE)).status == 200


async def test_a_figure_that_nobody_waits_for_ends(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung_up, ended = trio.Event(), trio.Event()

    async def query(sql: str) -> list[str]:
        hung_up.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    monkeypatch.setattr(application.pipeline.store, "query", query)
    scope: dict[str, Any] = {"state": {ENDS: (hung_up,)}}
    answer = await application.ask("GET", "/api/stats?of=visits", peer=HERE, scope=scope)
    assert answer.status == 503
    assert ended.is_set()


def test_every_figure_is_shown() -> None:
    script = read_assets()["stats.js"].content.decode()
    assert [name for name in FIGURES if not re.search(rf"\b{name}\b", script)] == []


async def test_a_front_without_a_store(autojump_clock: MockClock, pipeline: Pipeline) -> None:
    application = Application(pipeline, with_store=False)
    assert (await application.ask("GET", "/api/stats", peer=HERE)).status == 200
    answer = await application.ask("GET", "/api/stats?of=visits", peer=HERE)
    assert (answer.status, answer.json["errors"]["of"]) == (503, [NO_STORE])
