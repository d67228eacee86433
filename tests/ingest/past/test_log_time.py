from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.log_time import (
    any_time,
    common_time,
    formatted_time,
    iso_time,
    strptime_format,
    within,
)
from ingest.past.past_event import BrokenLineError

OCTOBER = 971_211_336  # 10 October 2000, 20:55:36 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10/Oct/2000:13:55:36 -0700", OCTOBER),
        ("10/Oct/2000:20:55:36 +0000", OCTOBER),
        ("11/Oct/2000:02:25:36 +0530", OCTOBER),
        ("31/Dec/2016:23:59:60 +0000", 1_483_228_800),  # a leap second
    ],
)
def test_common(text: str, seconds: int) -> None:
    assert common_time(text) == any_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10/Oct/2000:13:55:36",
        "10/Okt/2000:13:55:36 -0700",
        "32/Oct/2000:13:55:36 -0700",
        "10/Oct/2000:25:55:36 -0700",
        "10/Oct/2000:13:55:61 -0700",
        "10/Oct/2000:13:55:xx -0700",
        "10/Oct/2000:13:55:36 x0700",
        "10/Oct/1960:13:55:36 -0700",
        "10/Oct/2000:13:55:36 +9900",
    ],
)
def test_no_common_time(text: str) -> None:
    with pytest.raises(BrokenLineError):
        common_time(text)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (OCTOBER, OCTOBER),
        (OCTOBER + 0.75, OCTOBER),
        (str(OCTOBER), OCTOBER),
        (f"{OCTOBER}.123", OCTOBER),
        (OCTOBER * 1000 + 5, OCTOBER),
        (OCTOBER * 1_000_000 + 5, OCTOBER),
        ("2000-10-10T20:55:36.123456789Z", OCTOBER),
        ("2000-10-10T20:55:36Z", OCTOBER),
        ("2000-10-10T20:55:36.5+00:00", OCTOBER),
        ("2000-10-10 13:55:36-07:00", OCTOBER),
        ("2000-10-10T20:55:36", OCTOBER),
    ],
)
def test_any(value: object, seconds: int) -> None:
    assert any_time(value) == seconds


@pytest.mark.parametrize(
    "value", [None, True, [], "", "yesterday", "nan", "inf", float("inf"), -5, 0, 2**33, "1e400"]
)
def test_no_time(value: object) -> None:
    with pytest.raises(BrokenLineError):
        any_time(value)


@given(st.text() | st.floats() | st.integers())
def test_anything_is_a_time_that_rows_can_hold_or_none(value: object) -> None:
    for read in (any_time, lambda value: iso_time(str(value)), lambda text: common_time(str(text))):
        with suppress(BrokenLineError):
            assert within(read(value)) > 0


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700"),
        ("%d/%b/%Y %T", "10/Oct/2000 20:55:36"),
        ("%F %T", "2000-10-10 20:55:36"),
        ("[%F %R:%S]", "[2000-10-10 20:55:36]"),
    ],
)
def test_formats(form: str, text: str) -> None:
    assert formatted_time(text, strptime_format(form)) == OCTOBER


@pytest.mark.parametrize("form", ["%Q", "%s", "%", "%Y %Y"])
def test_formats_that_cannot_be_read(form: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        strptime_format(form)


@given(st.text())
def test_any_text_is_in_a_format_or_broken(text: str) -> None:
    with suppress(BrokenLineError):
        assert within(formatted_time(text, "%d/%b/%Y:%H:%M:%S %z")) > 0
