import pytest

from tests.core_coverage import core_coverage


def a_file(covered: int, total: int) -> dict[str, dict[str, int]]:
    summary = {
        "covered_lines": covered,
        "num_statements": total,
        "covered_branches": 0,
        "num_branches": 0,
    }
    return {"summary": summary}


def test_counts_the_core_only() -> None:
    report = {
        "files": {
            "ingest/sessions/session.py": a_file(90, 100),
            "ingest/rows/batch.py": a_file(100, 100),
            "ingest/http/app.py": a_file(0, 100),
            "ingest/cli.py": a_file(0, 100),
            "actors/pipeline/gate.py": a_file(0, 100),
        }
    }
    assert core_coverage(report) == pytest.approx(95)


def test_nothing_measured_is_nothing_covered() -> None:
    assert core_coverage({"files": {}}) == 0
