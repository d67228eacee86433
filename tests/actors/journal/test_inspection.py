from pathlib import Path

from actors.journal.file_journal import FileJournal
from actors.journal.inspection import JournalFiles, inspect_journal
from ingest.rows.layout import EventRows
from ingest.rows.schema import EVENTS
from tests.ingest.rows.example_rows import row

RUN = [EventRows(row(EVENTS), ())] * 3


def test_no_journal(tmp_path: Path) -> None:
    assert inspect_journal(tmp_path / "none") == JournalFiles()
    assert not (tmp_path / "none").exists()


def test_what_the_store_has_does_not_count(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limit=1_000_000)
    for _ in range(4):
        journal.append(RUN)
    journal.acknowledge(5)
    # While it is open, as when a server runs.
    assert inspect_journal(tmp_path) == JournalFiles(events=7, bytes=journal.bytes)
    journal.acknowledge(12)
    assert inspect_journal(tmp_path).events == 0
    journal.close()


def test_a_torn_end_is_left_as_it_is(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limit=1_000_000)
    journal.append(RUN)
    journal.close()
    (path,) = tmp_path.glob("*.journal")
    path.write_bytes(path.read_bytes() + b"torn")
    before = path.read_bytes()
    assert inspect_journal(tmp_path).events == 3
    assert path.read_bytes() == before


def test_damage_is_counted_and_left(tmp_path: Path) -> None:
    (tmp_path / "1.damaged").write_bytes(b"")
    (tmp_path / "2.journal").write_bytes(b"no header")
    assert inspect_journal(tmp_path).damaged == 2
    assert (tmp_path / "2.journal").exists()
