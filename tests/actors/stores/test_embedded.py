import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from actors.stores.chdb_session import FEW_FILES, LEAST_FILES, lock_holder
from actors.stores.embedded import NATIVE_NICE, EmbeddedStore
from actors.stores.store import (
    QueryRefused,
    StoreBusy,
    StoreMisconfigured,
    StoreUnavailable,
)
from actors.stores.url import EmbeddedAddress
from actors.threads.native_threads import TASKS
from ingest.rows.schema import EVENTS
from ingest.rows.servers import Server
from tests.actors.stores import checks
from tests.ingest.rows.example_rows import row

pytest.importorskip("chdb")


@pytest.fixture
def store(embedded: EmbeddedStore) -> EmbeddedStore:
    return embedded


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: str(check.__name__))
async def test_contract(store: EmbeddedStore, check: checks.Check) -> None:
    await check(store)


async def test_findings_and_ping(store: EmbeddedStore, tmp_path: Path) -> None:
    assert store.findings[0].startswith("chDB 26.")
    assert store.findings[0].endswith(f"in {tmp_path / 'chdb'}")
    assert store.findings[1:] == ("events_v2, sessions_v2, ingest_counters: created",)
    await store.ping()


async def test_servers_cannot_share_the_store(store: EmbeddedStore) -> None:
    await store.beat(Server("process", "directory", "here:8000"))
    assert await store.servers() is None  # type: ignore[func-returns-value]
    assert [each["name"] for each in await checks.read(store, "SHOW TABLES LIKE '%servers%'")] == []


async def test_rows_survive_and_nothing_is_created_twice(tmp_path: Path) -> None:
    address = EmbeddedAddress(tmp_path, "my `db`")
    for expected in (1, 2):
        store = EmbeddedStore(address)
        await store.open()
        await store.insert(EVENTS, [row(EVENTS)], f"token {expected}")
        await store.insert(EVENTS, [row(EVENTS)], f"token {expected}")
        assert await checks.count(store) == expected
        findings = store.findings
        await store.aclose()
    assert findings[1:] == ()


async def test_days_begin_by_utc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = f"""
import trio
from pathlib import Path
from actors.stores.embedded import EmbeddedStore
from actors.stores.url import EmbeddedAddress

async def main():
    store = EmbeddedStore(EmbeddedAddress(Path({str(tmp_path)!r})))
    await store.open()
    print(await store.query("SELECT toDateTime(0) AS t"), store.findings[1:])
    await store.aclose()

trio.run(main)
"""
    monkeypatch.setenv("TZ", "America/New_York")
    result = await trio.run_process([sys.executable, "-c", script], capture_stdout=True)
    assert b"1970-01-01 00:00:00" in result.stdout
    assert b"time zone" not in result.stdout


@pytest.fixture
async def upgraded(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    """A store whose table an older version has left with other settings."""
    address = EmbeddedAddress(tmp_path)
    older = EmbeddedStore(address)
    await older.open()
    for setting in ("concurrent_part_removal_threshold", "merge_selector_base"):
        await older._execute(f"ALTER TABLE events_v2 RESET SETTING {setting}")
    await older.aclose()
    store = EmbeddedStore(address)
    await store.open()
    yield store
    await store.aclose()


async def test_removing_many_parts_starts_no_threads(upgraded: EmbeddedStore) -> None:
    await upgraded._execute(
        "ALTER TABLE events_v2 MODIFY SETTING old_parts_lifetime = 0, fsync_after_insert = 0, "
        "fsync_part_directory = 0"
    )
    await upgraded._execute("SYSTEM STOP MERGES events_v2")
    await upgraded._execute(
        "INSERT INTO events_v2 (site_id) SELECT number FROM numbers(140) SETTINGS "
        "max_block_size = 1, max_insert_threads = 1, min_insert_block_size_rows = 1, "
        "min_insert_block_size_bytes = 1"
    )
    before = await threads_of(upgraded)
    await upgraded._execute("TRUNCATE TABLE events_v2")
    assert await threads_of(upgraded) < before + 20


async def test_tables_of_older_versions_are_merged_less_often_too(upgraded: EmbeddedStore) -> None:
    tables = await upgraded._execute(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND "
        "create_table_query LIKE '%merge_selector_base = 10%' ORDER BY name"
    )
    assert tables == [["events_v2"], ["ingest_counters"], ["sessions_v2"]]


async def threads_of(store: EmbeddedStore) -> int:
    sql = "SELECT value FROM system.metrics WHERE metric = 'GlobalThread'"
    return int((await store._execute(sql))[0][0])


async def test_two_stores_of_a_process_may_share_a_directory(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    other = EmbeddedStore(EmbeddedAddress(tmp_path / "chdb"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.open)
        nursery.start_soon(store.insert, EVENTS, [row(EVENTS)], "token")
    assert await checks.count(other) == 1
    await other.aclose()


async def test_a_second_directory_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    other = EmbeddedStore(EmbeddedAddress(tmp_path / "other"))
    with pytest.raises(StoreMisconfigured, match="already has chDB open in"):
        await other.open()
    await other.aclose()


async def test_another_process_is_told_who_has_the_directory(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    script = f"""
from pathlib import Path
from actors.stores.chdb_session import prepare_directory
from actors.stores.store import StoreBusy

try:
    prepare_directory(Path({str(tmp_path / "chdb")!r}))
except StoreBusy as error:
    print(error)
"""
    result = await trio.run_process([sys.executable, "-c", script], capture_stdout=True)
    holder = lock_holder(tmp_path / "chdb")
    assert f"in use by another process (id {holder})".encode() in result.stdout


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("PID: 1\nStarted at: now\n")
    locked = (
        "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f, 2); print(1, flush=True); input()"
    )
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", locked, str(status)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        store = EmbeddedStore(EmbeddedAddress(tmp_path))
        with pytest.raises(StoreBusy, match=r"in use by another process \(id 1\)"):
            await store.open()
        # As seen from a container in which this process has the same id.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(StoreBusy, match=r"in use by another process$"):
                await store.open()
        holder.communicate(b"\n")
    assert lock_holder(tmp_path) is None
    await store.aclose()


async def test_too_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (LEAST_FILES - 1, LEAST_FILES))
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    with pytest.raises(StoreMisconfigured, match="needs 128 open files, 127 are allowed"):
        await store.open()
    await store.aclose()


@pytest.mark.parametrize(("allowed", "parallel"), [(FEW_FILES - 1, False), (FEW_FILES, True)])
async def test_few_open_files_few_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int, parallel: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    await store.open()
    sql = "SELECT getSetting('input_format_parallel_parsing') AS parallel"
    assert await store._execute(sql) == [[str(parallel).lower()]]
    assert await checks.read(store, sql) == [{"parallel": parallel}]
    await store.aclose()


async def test_without_chdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chdb.session", None)
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    with pytest.raises(StoreMisconfigured, match=r"pip install 'sluice-collector\[embedded\]'"):
        await store.open()
    await store.aclose()


async def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    await store.open()
    await store._execute("DROP TABLE events_v2")
    await store._execute("CREATE TABLE events_v2 (site_id UInt32) ENGINE = Memory")
    await store.aclose()
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    for _ in range(2):
        with pytest.raises(StoreMisconfigured, match="its engine is Memory, MergeTree is needed"):
            await store.open()
    with pytest.raises(StoreUnavailable, match="not open yet"):
        await store.insert(EVENTS, [row(EVENTS)], "token")
    await store.aclose()


async def test_before_and_after_its_life(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedAddress(tmp_path))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not open"):
            await store.insert(EVENTS, [row(EVENTS)], "token")
        with pytest.raises(StoreUnavailable, match="not open"):
            await store.query("SELECT 1")
        with pytest.raises(StoreUnavailable, match="not open"):
            await store.ping()
        await store.open()
        await store.aclose()


async def test_a_failure_to_store_is_reported(store: EmbeddedStore) -> None:
    await checks.a_failure_to_store_is_reported(store, store._execute)


async def test_insert_without_files_in_memory(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    await checks.a_repeated_insert_is_stored_once(store)


async def test_insert_when_the_machine_has_nothing_left(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(name: str) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "memfd_create", exhausted)
        with pytest.raises(StoreUnavailable, match="events_v2: Too many open files"):
            await store.insert(EVENTS, [row(EVENTS)], "token")
    await store.insert(EVENTS, [row(EVENTS)], "token")
    assert await checks.count(store) == 1


async def test_a_statement_that_fails(store: EmbeddedStore) -> None:
    with pytest.raises(StoreUnavailable, match="nonsense"):
        await store._execute("SELECT nonsense")
    await store.ping()


async def test_a_database_that_cannot_be_made(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedAddress(tmp_path, "x" * 300))
    with pytest.raises(StoreMisconfigured, match=f"chDB cannot use {tmp_path}: "):
        await store.open()
    await store.aclose()


async def test_nothing_to_insert(store: EmbeddedStore) -> None:
    await store.insert(EVENTS, [], "token")
    assert await checks.count(store) == 0


async def test_queries_have_a_time_limit(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedAddress(tmp_path), query_seconds=1)
    await store.open()
    with pytest.raises(QueryRefused, match="Timeout exceeded"):
        await store.query("SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
    await store.aclose()


async def test_a_long_query_holds_up_no_insert(store: EmbeddedStore) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.query, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
        await store.insert(EVENTS, [row(EVENTS)], "token")
        nursery.cancel_scope.cancel()
    assert await checks.count(store) == 1


async def test_threads_end(store: EmbeddedStore) -> None:
    await store.query("SELECT 1")
    names = {thread.name for thread in threading.enumerate()}
    assert {"chdb-writer", "chdb-reader"} <= names
    threads = [each for each in threading.enumerate() if each.name.startswith("chdb-")]
    await store.aclose()
    for thread in threads:
        await trio.to_thread.run_sync(thread.join, 60)
        assert not thread.is_alive()


async def test_its_own_threads_have_a_lower_priority(store: EmbeddedStore) -> None:
    found = {int(name) for name in os.listdir(TASKS)}
    own = {thread.native_id for thread in threading.enumerate()}
    await store.insert(EVENTS, [row(EVENTS)], "token")
    alive = {int(name) for name in os.listdir(TASKS)} & found
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in alive - own} == {NATIVE_NICE}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NATIVE_NICE
