from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.journal_progress import PLANS, Progress, ProgressFile

NUMBERS = st.integers(0, 2**64 - 1)
PROGRESS = st.builds(Progress, NUMBERS, NUMBERS, st.lists(NUMBERS, max_size=PLANS).map(tuple))


@given(PROGRESS)
def test_progress_is_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, progress: Progress
) -> None:
    path = tmp_path_factory.mktemp("progress") / "progress"
    file = ProgressFile.open(path)
    file.write(progress)
    file.close()
    assert ProgressFile.read(path) == progress


def test_more_plans_than_fit_are_refused(tmp_path: Path) -> None:
    file = ProgressFile.open(tmp_path / "progress")
    with pytest.raises(ValueError, match="too many"):
        file.write(Progress(9, 0, tuple(range(PLANS + 1))))
    file.close()
    assert ProgressFile.read(tmp_path / "progress") is None
