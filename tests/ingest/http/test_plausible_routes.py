import pytest
from trio.testing import MockClock

from tests.ingest.http.application import Application

SECRET = "/srv/sites.toml: line 3"


async def test_visits_in_the_form_of_plausible(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = application.pipeline.storing.partition.sessions
    monkeypatch.setattr(type(sessions), "restored", False)
    answer = await application.ask("GET", "/api/system/health/ready")
    assert (answer.status, answer.json["sessions"]) == (200, "waiting")
    sessions.problem = SECRET
    answer = await application.ask("GET", "/api/system/health/ready")
    assert (answer.status, answer.json["sessions"]) == (500, "error")
    assert SECRET not in answer.body.decode()


async def test_liveness_in_the_form_of_plausible(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await application.ask("GET", "/api/system/health/live")
    assert (answer.status, answer.json) == (200, {"ok": True})
    monkeypatch.setattr(type(application.health), "alive", False)
    answer = await application.ask("GET", "/api/system/health/live")
    assert (answer.status, answer.json) == (500, {"ok": False})


async def test_the_system_in_the_form_of_plausible(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await application.ask("GET", "/api/system")
    assert answer.json == {"geo_database": "(not configured)", "build": {"version": "1.2.3"}}
    monkeypatch.setattr(application.pipeline.reference.geo, "type", "GeoLite2-City", raising=False)
    answer = await application.ask("GET", "/api/system")
    assert answer.json["geo_database"] == "GeoLite2-City"
