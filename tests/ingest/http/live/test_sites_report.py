"""The sites on the live page."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ingest.http.live import sites_report
from ingest.model.verdict import DropReason
from ingest.observation.history import DOMAINS_PER_MINUTE, History, Verdicts
from ingest.sites.site import Site, SiteRegistry
from tests.ingest.http.application import Application


async def test_of_domains_that_clients_make_up_few_are_named(
    autojump_clock: MockClock, application: Application
) -> None:
    for number in range(DOMAINS_PER_MINUTE + 5):
        await application.post(domain=f"made-up-{number}.test")
    await application.post(domain="made-up; reboot")
    await trio.sleep(60)
    await application.post(domain="made-up-again.test")
    report = application.live.report()
    sites = report["sites"]
    assert sites["shown"][0]["dropped"] == DOMAINS_PER_MINUTE + 7
    assert (len(sites["unknown"]), sites["unknown_count"]) == (
        sites_report.UNKNOWN_DOMAINS,
        DOMAINS_PER_MINUTE + 1,
    )
    (finding,) = report["findings"]
    assert finding["commands"] == [f"sluice sites add made-up-{number}.test" for number in range(5)]
    assert "reboot" not in str(report)


async def test_a_domain_that_is_added_is_unknown_no_more(
    autojump_clock: MockClock, application: Application
) -> None:
    await application.post(domain="new.example")
    reference = application.pipeline.collector.reference
    reference.registry = SiteRegistry([*reference.registry, Site(2, "new.example")])
    report = application.live.report()
    assert report["findings"] == []
    assert report["sites"]["unknown"] == []
    await application.post(domain="; reboot")
    (finding,) = application.live.report()["findings"]
    assert finding["what"] == "1 event of the last hour named no registered site."
    assert finding["commands"] == []


async def test_sites_beyond_the_limit_are_counted(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites_report, "SITES", 2)
    history = application.pipeline.collector.metrics.history
    for number in range(5):
        for _ in range(number + 1):
            history.count(f"{number}.example", DropReason.BOT)
    sites: dict[str, Any] = application.live.report()["sites"]
    assert [site["site"] for site in sites["shown"]] == ["4.example", "3.example"]
    assert sites["more"] == 3


async def test_a_site_that_drops_much_needs_care(
    autojump_clock: MockClock, application: Application
) -> None:
    history = application.pipeline.collector.metrics.history
    for site in ("example.com", "removed.example", "(other)"):
        for _ in range(9):
            history.count(site, DropReason.THROTTLE)
    report = application.live.report()
    assert report["status"] == "degraded"
    (finding,) = report["findings"]
    assert finding["what"] == (
        "9 of 9 events of “example.com” in the last hour were dropped: throttle (9)."
    )


async def test_verdicts_are_counted_once(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting takes long with thousands of sites."""
    counted: list[History] = []
    verdicts = History.verdicts

    def counting(history: History) -> dict[str, Verdicts]:
        counted.append(history)
        return verdicts(history)

    monkeypatch.setattr(History, "verdicts", counting)
    await application.post(domain="example.com")
    report = application.live.report()
    assert report["sites"]["shown"][0]["site"] == "example.com"
    assert len(counted) == 1
