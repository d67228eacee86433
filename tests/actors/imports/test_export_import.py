from pathlib import Path
from typing import Any

import pytest

from actors.imports import export_import
from actors.imports.export_import import ExportMistakeError, import_export
from actors.stores.store import StoreUnavailable
from ingest.past.export_progress import LEFT_OUT, NAME_LENGTH, ExportProgress, ExportRequest
from ingest.past.import_progress import Phase
from ingest.past.plausible_export import ExportPeriod
from ingest.rows.imported import IMPORTED_TABLES
from ingest.sites.site import Site, SiteRegistry
from tests.actors.imports.imported_rows import ImportedRows
from tests.ingest.past.export_files import FILES, ROWS, VISITORS, pack

DAY = 20_089  # 2025-01-01
SITES = SiteRegistry([Site(7, "example.com"), Site(8, "other.example")])
HEADER, *LINES = FILES[VISITORS].splitlines(keepends=True)


@pytest.fixture
def store() -> ImportedRows:
    return ImportedRows()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return pack(tmp_path / "a.zip")


async def run(store: ImportedRows | None, path: str, **changes: Any) -> ExportProgress:
    request = ExportRequest(path, **{"site": "example.com", **changes})
    async for progress in import_export(request, SITES, store):
        last = progress
    assert last.over
    return last


async def test_an_export_is_stored_once(store: ImportedRows, path: str, tmp_path: Path) -> None:
    progress = await run(store, path)
    assert (progress.phase, progress.stored, store.count) == (Phase.FINISHED, ROWS, ROWS)
    assert progress.import_id
    assert set(store.created) == set(store.rows) == set(IMPORTED_TABLES)
    assert store.values("imported_visitors")[0] == {
        "site_id": 7,
        "date": DAY,
        "visitors": 3,
        "pageviews": 9,
        "bounces": 1,
        "visits": 4,
        "visit_duration": 600,
        "import_id": progress.import_id,
    }
    assert progress.counts.days["imported_visitors"] == (DAY, DAY + 2)
    # The same content, packed anew.
    again = await run(store, pack(tmp_path / "b.zip", folder="export/"))
    assert (again.phase, again.stored, store.count) == (Phase.KNOWN, 0, ROWS)
    assert again.import_id == progress.import_id
    # Another site has an import of its own.
    other = await run(store, path, site="other.example")
    assert other.import_id != progress.import_id
    assert store.count == 2 * ROWS


@pytest.mark.parametrize("lands", [False, True])
async def test_an_interrupted_import_goes_on(
    store: ImportedRows, path: str, lands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of an insert of unknown outcome."""
    monkeypatch.setattr(export_import, "INSERT_ROWS", 2)
    store.lands_before_failing = lands
    store.failing = 3
    runs = 0
    while store.failing:
        try:
            await run(store, path)
        except StoreUnavailable:
            runs += 1
        else:
            store.failing = 0
    assert runs > 3
    assert store.count == ROWS
    pages = [row["page"] for row in store.values("imported_pages")]
    assert pages == ["/", '/a "quoted" path', "/über"]
    assert (await run(store, path)).phase is Phase.KNOWN


async def test_days_of_another_import_are_refused(
    store: ImportedRows, path: str, tmp_path: Path
) -> None:
    first = await run(store, path, period=ExportPeriod(until=(DAY + 1) * 86_400))
    assert first.counts.skipped == {"later": 4}
    with pytest.raises(ExportMistakeError, match=f"of import {first.import_id}: choose other days"):
        await run(store, path)
    rest = await run(store, path, period=ExportPeriod(since=(DAY + 1) * 86_400))
    assert rest.stored == 4
    assert store.count == ROWS


async def test_a_database_made_by_plausible(store: ImportedRows, path: str) -> None:
    store.by_plausible = True
    with pytest.raises(ExportMistakeError, match="whose dashboard imports such a file"):
        await run(store, path)
    assert not store.created


async def test_a_dry_run_needs_no_store(path: str) -> None:
    progress = await run(None, path)
    assert (progress.phase, progress.import_id, progress.stored) == (Phase.FINISHED, 0, 0)
    assert sum(progress.counts.rows.values()) == progress.counts.lines == ROWS


@pytest.mark.parametrize(
    ("broken", "phase", "stored"), [(1, Phase.FINISHED, 9), (2, Phase.REFUSED, 0)]
)
async def test_broken_lines(
    store: ImportedRows, tmp_path: Path, broken: int, phase: Phase, stored: int
) -> None:
    lines = [HEADER, *[b"2025-01-01,x,1,1,1,1\n"] * broken, *LINES[:1] * (10 - broken)]
    path = pack(tmp_path / "a.zip", {VISITORS: b"".join(lines)})
    progress = await run(store, path)
    assert (progress.phase, progress.stored, store.count) == (phase, stored, stored)
    problem = f"{VISITORS}: visitors: is no whole number"
    assert progress.counts.broken == {problem: broken}
    assert progress.counts.examples == {problem: 2}
    assert bool(store.created) is (phase is Phase.FINISHED)
    forced = await run(store, path, force=True)
    assert store.count == 10 - broken
    assert forced.phase is (Phase.KNOWN if stored else Phase.FINISHED)


async def test_reasons_are_bounded(tmp_path: Path) -> None:
    lines = [b"2025-01-01" + b",1" * number + b"\n" for number in range(6, 60)]
    path = pack(tmp_path / "a.zip", {VISITORS: HEADER + b"".join(lines)})
    counts = (await run(None, path)).counts
    assert len(counts.broken) == 21
    assert counts.broken["for other reasons"] == 54 - 20


async def test_a_line_with_a_line_end_in_a_text(store: ImportedRows, tmp_path: Path) -> None:
    name = VISITORS.replace("visitors", "pages")
    content = b'date,hostname,page,visitors\n2025-01-01,a,"/x\ny",1\n\n2025-01-01,a,/z,1'
    await run(store, pack(tmp_path / "a.zip", {name: content}))
    assert [row["page"] for row in store.values("imported_pages")] == ["/x\ny", "/z"]


async def test_empty_lines_do_not_hold_up_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_import, "STEP_LINES", 10)
    path = pack(tmp_path / "a.zip", {VISITORS: HEADER + 100 * b"\n" + LINES[0]})
    request = ExportRequest(path, "example.com", dry_run=True)
    reports = [progress async for progress in import_export(request, SITES, None)]
    assert len(reports) >= 10
    assert reports[-1].counts.lines == 1


async def test_several_files_of_a_table(
    store: ImportedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_import, "INSERT_ROWS", 2)
    later = VISITORS.replace("20250101_20250103", "20250104_20250105")
    more = HEADER + b"2025-01-04,1,1,1,1,1\n2025-01-05,2,1,1,1,1\n"
    path = pack(tmp_path / "a.zip", {VISITORS: FILES[VISITORS], later: more})
    await run(store, path)
    assert [row["visitors"] for row in store.values("imported_visitors")] == [3, 1, 2, 1, 2]


async def test_unknown_columns_and_files_are_told(store: ImportedRows, tmp_path: Path) -> None:
    content = b"date,visitors,novelty\n2025-01-01,1,2\n"
    path = pack(tmp_path / "a.zip", {VISITORS: content, "imported_novelties.csv": b"x"})
    counts = (await run(store, path)).counts
    assert counts.left_out == ["imported_novelties.csv", f"novelty of {VISITORS}"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"visitors\n1\n", "names no column date"),
        (b"PK\x03\x04", "names no column date|names no column visitors"),
    ],
)
async def test_files_that_are_refused(
    store: ImportedRows, tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(ExportMistakeError, match=f"{VISITORS}: {problem}"):
        await run(store, pack(tmp_path / "a.zip", {VISITORS: content}))
    assert not store.created


async def test_an_unknown_site(store: ImportedRows, path: str) -> None:
    with pytest.raises(ExportMistakeError, match=r"new\.example is none of the sites"):
        await run(store, path, site="new.example")


async def test_few_of_the_names_that_the_file_chooses_are_kept(tmp_path: Path) -> None:
    names = [f"{number:09}{'x' * 200}" for number in range(LEFT_OUT)]
    header = ",".join(["date,visitors", *names]).encode().replace(b"00000000x", b"0000000\xffx")
    path = pack(tmp_path / "a.zip", {VISITORS: header, "one.txt": b"", "two.txt": b""})
    counts = (await run(None, path, dry_run=True)).counts
    first = names[0][:NAME_LENGTH].replace("00000000x", "0000000?x")
    assert counts.left_out[:3] == ["one.txt", "two.txt", first]
    assert (len(counts.left_out), counts.left_out_more) == (LEFT_OUT, 2)
