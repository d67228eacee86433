"""The pure parts of the soak."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.usage import Usage, usage_of, usage_table

START = Usage(100, 50, 20, 1000, (1.0, 2.0))


def test_a_process_is_measured(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a line")
    usage = usage_of(os.getpid(), log, [3.0])
    assert usage.megabytes > 1
    assert usage.descriptors > 3
    assert usage.threads >= threading.active_count()
    assert (usage.log_bytes, usage.milliseconds) == (6, (3.0,))


def test_a_process_that_has_ended(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - any
        usage_of(2**22 + 1, tmp_path, [])


def test_start_and_end_are_compared() -> None:
    peak = replace(START, descriptors=90, milliseconds=())
    samples = [START] * 10 + [peak] * 80 + [Usage(110, 60, 21, 2000, (5.0,))] * 10
    assert [line.split()[-3:] for line in usage_table(samples)] == [
        ["start", "end", "most"],
        ["100", "110", "110"],
        ["50", "60", "90"],
        ["20", "21", "21"],
        ["1,000", "2,000", "2,000"],
        ["2.0", "5.0", "2.0"],
        ["2.0", "5.0", "5.0"],
    ]


def test_a_short_run() -> None:
    assert "".join(usage_table([START])).count("100") == 3
