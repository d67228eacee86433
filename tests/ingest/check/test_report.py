import json

from ingest.check.report import Level, Report, ok, outage, problem, section, warning

REPORT = Report(
    (
        section("sites", [ok("1 example.com: no rules"), warning("odd", "look")]),
        section("store", [problem("away", "start it"), warning("no advice")]),
    )
)


def test_lines() -> None:
    assert list(REPORT.lines()) == [
        "sites",
        "  ok       1 example.com: no rules",
        "  warning  odd",
        "           → look",
        "store",
        "  problem  away",
        "           → start it",
        "  warning  no advice",
        "",
        "the server cannot start: 1 problem, 2 warnings",
    ]


def test_levels_are_painted() -> None:
    painted = list(REPORT.lines(lambda level, word: f"<{level.value}>{word}"))
    assert painted[1].startswith("  <ok>ok ")
    assert painted[-1].startswith("<problem>the server cannot start")


def test_warnings_do_not_keep_the_server_from_starting() -> None:
    report = Report((section("a", [warning("odd", "look")]),))
    assert report.good
    assert list(report.lines())[-1] == "the server can start: 0 problems, 1 warning"
    assert not REPORT.good
    assert REPORT.count(Level.WARNING) == 2


def test_an_outage_does_not_keep_the_server_from_starting() -> None:
    away = section("store", [outage("away", "start it")])
    report = Report((away,))
    assert (report.good, report.can_start, report.to_dict()["can_start"]) == (False, True, True)
    verdict = "the server will start and queue events until the store takes them: 1 problem"
    assert list(report.lines())[-1] == f"{verdict}, 0 warnings"
    report = Report((away, *REPORT.sections))
    assert list(report.lines())[-1] == "the server cannot start: 2 problems, 2 warnings"


def test_for_machines() -> None:
    found = json.loads(json.dumps(REPORT.to_dict()))
    assert (found["can_start"], found["problems"], found["warnings"]) == (False, 1, 2)
    assert found["sections"][0]["findings"][1] == {
        "level": "warning",
        "text": "odd",
        "advice": "look",
    }
