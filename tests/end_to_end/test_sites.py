"""Sites edited from the command line while the server runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.sluice import SITES, Sluice


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Sluice]:
    server = Sluice(tmp_path, "chdb://chdb")
    with server:
        yield server


def dropped(sluice: Sluice, domain: str, path: str = "/", address: str = "198.51.100.7") -> bool:
    response = sluice.send(
        url=f"https://{domain}{path}", domain=domain, headers={"x-forwarded-for": address}
    )
    return "x-plausible-dropped" in response.headers


def test_edits_take_effect(running: Sluice) -> None:
    before = running.sites.read_text()
    assert dropped(running, "new.example")
    added = running.command("sites", "add", "new.example")
    assert added.returncode == 0, added.stderr
    number = SITES.count("[[site]]") + 1
    assert f"new.example is site {number} in" in added.stdout
    assert "The running server has taken it over." in added.stdout
    assert not dropped(running, "new.example")

    assert not dropped(running, "new.example", "/admin/users")
    shielded = running.command("shield", "add", "new.example", "page", "/admin/**")
    assert "The running server has taken it over." in shielded.stdout
    assert dropped(running, "new.example", "/admin/users")
    running.command("shield", "add", str(number), "ip", "192.0.2.0/24")
    assert dropped(running, "new.example", address="192.0.2.77")
    assert not dropped(running, "new.example")
    assert running.sites.read_text().startswith(before[: before.index("[exchange_rates]")])

    removed = running.command("sites", "remove", "new.example", "--yes")
    assert "The running server has taken it over." in removed.stdout
    assert dropped(running, "new.example")
    rows = running.events(f"site_id = {number}", 3)
    assert {row["hostname"] for row in rows} == {"new.example"}


def test_the_running_server_refuses_what_another_editor_broke(running: Sluice) -> None:
    good = running.sites.read_text()
    running.sites.write_text(good + "\n[[site]]\nid = 0\n")
    refused = running.command("sites", "add", "new.example")
    assert refused.returncode == 1
    assert "site.id: expected a whole number" in refused.stderr
    assert running.sites.read_text() == good + "\n[[site]]\nid = 0\n"
