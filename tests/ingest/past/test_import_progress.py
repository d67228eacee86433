import json

import pytest

from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase

PROGRESS = ImportProgress(
    "abc", Phase.READING, "access-log", 10, 40, ImportCounts(lines=30), 10, 4.0, ("A note.",)
)


def test_what_is_written_is_read() -> None:
    assert ImportProgress.from_json(json.loads(json.dumps(PROGRESS.to_json()))) == PROGRESS


def test_the_rate_is_that_of_this_run() -> None:
    assert PROGRESS.rate == 5
    assert ImportProgress("", Phase.READING, "", 0, 0, ImportCounts(lines=3)).rate == 0


@pytest.mark.parametrize("phase", list(Phase))
def test_when_it_is_over(phase: Phase) -> None:
    over = ImportProgress("", phase, "", 0, 0, ImportCounts()).over
    assert over is (phase in (Phase.FINISHED, Phase.KNOWN, Phase.REFUSED, Phase.STOPPED))


@pytest.mark.parametrize("document", [{}, {**PROGRESS.to_json(), "phase": "x"}])
def test_something_else(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"missing|Invalid"):
        ImportProgress.from_json(document)
