import shutil
from pathlib import Path

from actors.log.inspection import LogFiles, inspect_log
from actors.log.log import LogPoint
from tests.actors.log.files import open_log, segment_paths
from tests.actors.log.writable_checks import append_events

RECORDED = Path(__file__).parent / "recorded" / "version-1"


def test_nothing_yet(tmp_path: Path) -> None:
    assert inspect_log(tmp_path / "nothing") == LogFiles()
    assert inspect_log(tmp_path) == LogFiles()


async def test_counts_what_waits_for_the_store_while_it_is_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    await append_events(log, 0, 3)
    await append_events(log, 3, 12)
    await log.commit(LogPoint(5, 4))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert inspect_log(tmp_path) == LogFiles(8, log.bytes, 0)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    await log.commit(log.end)
    assert inspect_log(tmp_path).events == 0
    log.close()


async def test_a_torn_end_is_left_as_it_is(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    await append_events(log, 0, 3)
    log.close()
    (path,) = segment_paths(tmp_path)
    path.write_bytes(path.read_bytes() + b"torn")
    before = path.read_bytes()
    assert inspect_log(tmp_path).events == 3
    assert path.read_bytes() == before


def test_damage_is_counted_and_left(tmp_path: Path) -> None:
    (tmp_path / "1.damaged").write_bytes(b"")
    (tmp_path / f"{0:020d}-{7:016x}.journal").write_bytes(b"no header")
    (tmp_path / f"{0:020d}.journal").write_bytes(b"no header")
    assert inspect_log(tmp_path) == LogFiles(0, 18, 3)


async def test_an_old_journal_is_counted_too(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path, dirs_exist_ok=True)
    old = inspect_log(tmp_path)
    assert old.events > 0
    log = open_log(tmp_path, start=LogPoint(1000, 1000))
    await append_events(log, 0, 3)
    log.close()
    found = inspect_log(tmp_path)
    assert found == LogFiles(old.events + 3, old.bytes + log.bytes, 0)
