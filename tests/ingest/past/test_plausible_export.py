import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.past_event import LINE_BYTES, BrokenLineError, SkipReason
from ingest.past.plausible_export import ExportFile, ExportPeriod, ExportReader, export_file
from ingest.rows.imported import IMPORTED_TABLES
from tests.ingest.past.export_files import FILES, SPAN, VISITORS

DAY = 20_089  # 2025-01-01
HEADER = b"date,visitors,pageviews,bounces,visits,visit_duration"
LOCATIONS = f"imported_locations_{SPAN}.csv"


def file_named(name: str) -> ExportFile:
    file = export_file(name)
    assert file is not None
    return file


def reader(name: str = VISITORS, header: bytes = HEADER) -> ExportReader:
    return ExportReader(file_named(name), header, 7, 99)


def values(name: str, row: tuple[Any, ...]) -> dict[str, Any]:
    columns = file_named(name).table.inserted
    return dict(zip((column.name for column in columns), row, strict=True))


@pytest.mark.parametrize(
    "path",
    [
        VISITORS,
        f"export/{VISITORS}",
        f"../../etc/{VISITORS}",
        f"C:\\export\\{VISITORS}",
    ],
)
def test_files_of_an_export(path: str) -> None:
    visitors = IMPORTED_TABLES["imported_visitors"]
    assert export_file(path) == ExportFile(VISITORS, visitors, DAY, DAY + 2)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "imported_visitors.csv",
        f"._{VISITORS}",
        f"imported_secrets_{SPAN}.csv",
        f"events_v2_{SPAN}.csv",
        f"{VISITORS}.exe",
        "imported_visitors_20250101_20251301.csv",
        "imported_visitors_99999999_99999999.csv",
    ],
)
def test_other_files(path: str) -> None:
    assert export_file(path) is None


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_read(name: str) -> None:
    header, *lines = FILES[name].splitlines()
    rows = [reader(name, header).read(line) for line in lines]
    assert reader(name, header).left_out == ()
    assert {(row["site_id"], row["import_id"]) for row in (values(name, row) for row in rows)} == {
        (7, 99)
    }


def test_rows() -> None:
    assert reader().read(b'"2025-01-02",1,2,3,4,5\r\n') == (7, DAY + 1, 1, 2, 3, 4, 5, 99)
    header, line, *_ = FILES[LOCATIONS].splitlines()
    assert values(LOCATIONS, reader(LOCATIONS, header).read(line)) == {
        "site_id": 7,
        "date": DAY,
        "country": "DE",
        "region": "DE-BE",
        "city": 2950159,
        "visitors": 2,
        "visits": 3,
        "visit_duration": 500,
        "bounces": 1,
        "import_id": 99,
        "pageviews": 7,
    }


@pytest.mark.parametrize(
    ("day", "fits"),
    [("1969-12-31", False), ("1970-01-01", True), ("2148-12-31", True), ("2149-01-01", False)],
)
def test_days_that_the_tables_can_hold(day: str, fits: bool) -> None:
    name = "imported_visitors_19000101_99990101.csv"
    line = f"{day},1".encode()
    if fits:
        assert values(name, reader(name, b"date,visitors").read(line))["visitors"] == 1
    else:
        with pytest.raises(BrokenLineError, match="date: is not from 1970 to 2148"):
            reader(name, b"date,visitors").read(line)


def test_columns_of_other_ages() -> None:
    """Older exports lack columns; newer ones may have more, and never choose site or import."""
    found = reader(header=b"\xef\xbb\xbfvisitors, Date,import_id,novelty\r\n")
    assert found.left_out == ("import_id", "novelty")
    assert found.read(b"5,2025-01-01,1,x") == (7, DAY, 5, 0, 0, 0, 0, 99)


@pytest.mark.parametrize(
    ("name", "header", "problem"),
    [
        (VISITORS, b"", "not a line of CSV"),
        (VISITORS, b"visitors,pageviews", "names no column date"),
        (VISITORS, b"date,pageviews", "names no column visitors"),
        (LOCATIONS, b"date,visitors,country,region", "names no column city"),
        (VISITORS, b"date,visitors,date", "names a column twice"),
        (VISITORS, b"date,visitors,x" + b"y" * 65_536, "has a first line of more than 65536 bytes"),
    ],
)
def test_headers_that_are_refused(name: str, header: bytes, problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        reader(name, header)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "not a line of CSV"),
        (b'"2025-01-01', "not a line of CSV"),
        (b"2025-01-01,1", "has 2 columns, expected 6"),
        (b"2025-01-01,1,1,1,1,x", "visit_duration: is no whole number"),
        (b"2025-01-01,-1,1,1,1,1", "visitors: is no whole number"),
        (b"2025-01-01,,1,1,1,1", "visitors: is no whole number"),
        ("2025-01-01,٣,1,1,1,1".encode(), "visitors: is no whole number"),
        (b"2025-01-01,1.5,1,1,1,1", "visitors: is no whole number"),
        (b"2025-01-01,18446744073709551616,1,1,1,1", "visitors: is too large"),
        (b"2025-01-01," + b"9" * 30 + b",1,1,1,1", "visitors: is no whole number"),
        (b"01/01/2025,1,1,1,1,1", "date: is not like 2026-01-31"),
        (b"2025-W01-1,1,1,1,1,1", "date: is not like 2026-01-31"),
        (b"2025-02-30,1,1,1,1,1", "date: is not like 2026-01-31"),
        (b"2024-12-31,1,1,1,1,1", "date: is not within the days in the file's name"),
        (b"2025-01-01,1,1,1,1," + b"1" * LINE_BYTES, f"has more than {LINE_BYTES} bytes"),
    ],
)
def test_broken(line: bytes, problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        reader().read(line)


def test_a_column_of_fewer_bits() -> None:
    found = reader(LOCATIONS, b"date,visitors,country,region,city,bounces")
    assert values(LOCATIONS, found.read(b"2025-01-01,1,DE,,0,4294967295"))["bounces"] == 2**32 - 1
    with pytest.raises(BrokenLineError, match="bounces: is too large"):
        found.read(b"2025-01-01,1,DE,,0,4294967296")


@pytest.mark.parametrize(
    ("since", "until", "skip"),
    [
        (None, None, None),
        (DAY * 86400, (DAY + 1) * 86400, None),
        # A day is imported as a whole or not at all.
        (DAY * 86400 + 1, None, SkipReason.EARLIER),
        (None, (DAY + 1) * 86400 - 1, SkipReason.LATER),
    ],
)
def test_periods(since: int | None, until: int | None, skip: SkipReason | None) -> None:
    assert ExportPeriod(since, until).skips(DAY) is skip


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=7))
def test_any_line_is_a_row_or_broken(cells: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    try:
        row = reader().read(text.getvalue().encode())
    except BrokenLineError:
        return
    assert len(row) == 8


@given(st.binary(max_size=80))
def test_any_header_is_read_or_refused(header: bytes) -> None:
    try:
        reader(header=header)
    except BrokenLineError:
        return
