import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ingest.client.import_lines import ImportLines
from ingest.commands.import_display import BarDisplay, PlainDisplay, display, summary
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from tests.examples import a_request


def a_progress(**changes: Any) -> ImportProgress:
    counts = ImportCounts(
        lines=12_000,
        accepted=7000,
        visits=800,
        broken={"not like it": 5, "nor this": 1, "for other reasons": 1200},
        dropped={"bot": 900, "site_ip_blocklist": 1},
        skipped={"asset": 4000, "method": 93},
        examples={"not like it": 17, "nor this": 18},
    )
    fields: dict[str, Any] = {
        "id": "0123",
        "phase": Phase.READING,
        "form": "access-log",
        "done": 50,
        "total": 200,
        "counts": counts,
        "earlier_lines": 2000,
        "seconds": 5.0,
        "notes": ("A note.",),
        "seconds_left": 65.4,
    }
    return ImportProgress(**(fields | changes))


def test_summary() -> None:
    event = a_request(query={"b": "c"}, user_agent=None)
    seen = ImportLines({17: "a line"}, [(3, event)])
    assert summary(a_progress(phase=Phase.FINISHED), seen) == (
        "finished (access-log, import 0123)\n"
        "  lines                12,000\n"
        "    of earlier runs     2,000\n"
        "  events accepted       7,000\n"
        "  visits                  800\n"
        "  events dropped          901\n"
        "    bot                   900\n"
        "    site_ip_blocklist       1\n"
        "  lines skipped         4,093\n"
        "    asset               4,000\n"
        "    method                 93\n"
        "  lines broken          1,206\n"
        "  time                  5.0 s\n"
        "  lines/s               2,000\n"
        "1,200 broken: for other reasons\n"
        "5 broken: not like it\n"
        "  line 17: a line\n"
        "1 broken: nor this\n"
        "  line 18\n"
        "line 3 as understood:\n"
        "  time      2026-09-22 12:00:00 UTC\n"
        "  event     pageview\n"
        "  page      example.com/?b=c\n"
        "  referrer  none\n"
        "  visitor   203.0.113.9\n"
        "  agent     none\n"
        "A note."
    )


def test_summary_without_visits_that_only_others_know() -> None:
    progress = a_progress(counts=ImportCounts(lines=2, accepted=2, visits=None))
    assert "visits" not in summary(progress, ImportLines())
    assert progress.to_json()["counts"]["visits"] is None
    assert ImportProgress.from_json(progress.to_json()) == progress


def test_summary_of_a_dry_run() -> None:
    progress = a_progress(
        id="", phase=Phase.FINISHED, counts=ImportCounts(), earlier_lines=0, notes=()
    )
    assert summary(progress, ImportLines()).splitlines()[:2] == [
        "finished (access-log, dry run)",
        "  lines                0",
    ]


def test_summary_of_a_file_that_is_refused() -> None:
    lines = summary(a_progress(id="", phase=Phase.REFUSED), ImportLines()).splitlines()
    assert lines[0] == (
        "refused, as more than a tenth of the lines is broken: nothing is stored (access-log)"
    )
    assert not any("events" in line or "visits" in line for line in lines)
    assert "--force imports the lines that can be read" in lines[-2]


def test_lines_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("ingest.commands.import_display.time.monotonic", lambda: now)
    plain = PlainDisplay()
    for now in (1.0, 6.0, 7.0, 12.0):
        plain.show(a_progress(phase=Phase.WAITING if now == 12 else Phase.READING))
    plain.show(a_progress(phase=Phase.FINISHED))
    now = 20.0
    plain.show(a_progress(counts=ImportCounts(), earlier_lines=0, seconds_left=None))
    figures = (
        "12,000 lines, 2,000/s, 7,000 accepted, 901 dropped (bot 900, site_ip_blocklist 1), "
        "4,093 skipped (asset 4,000, method 93), 1,206 broken, 1:05 left"
    )
    assert capsys.readouterr().err.splitlines() == [
        f"importing: 25% {figures}",
        f"waiting for the store or Kafka: 25% {figures}",
        "importing: 25% 0 lines, 0/s, 0 accepted",
    ]


def test_a_bar() -> None:
    text = StringIO()
    with BarDisplay(Console(file=text, force_terminal=True, width=200)) as bar:
        bar.show(a_progress())
        bar.show(a_progress(done=200))
    assert "importing" in text.getvalue()
    assert "7,000 accepted" in text.getvalue()


def test_lines_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    with display(terminal=True, as_json=True) as shown:
        shown.show(a_progress())
    captured = capsys.readouterr()
    assert ImportProgress.from_json(json.loads(captured.out)) == a_progress()
    assert captured.err == ""


def test_which_display() -> None:
    with display(terminal=False) as shown:
        assert isinstance(shown, PlainDisplay)
    with display(terminal=True) as shown:
        assert isinstance(shown, BarDisplay)
