from collections.abc import Sequence

import pytest

from actors.stores.rights import (
    Execute,
    check_query_rights,
    check_rights,
    check_server_rights,
)
from actors.stores.store import StoreMisconfigured, StoreUnavailable


def server(*lacking: str) -> Execute:
    async def execute(sql: str) -> Sequence[Sequence[str]]:
        return [["0" if sql.removeprefix("CHECK GRANT ") in lacking else "1"]]

    return execute


async def test_all_that_is_needed() -> None:
    assert await check_rights(server(), "u", "db") == ()


async def test_one_table_without_insert() -> None:
    execute = server("INSERT ON `db`.`sessions_v2`")
    with pytest.raises(StoreMisconfigured, match=r"insert into sessions_v2: GRANT INSERT ON `db`"):
        await check_rights(execute, "u", "db")


async def test_one_table_without_select() -> None:
    execute = server("SELECT ON `db`.`events_v2`")
    (finding,) = await check_rights(execute, "u", "db")
    assert finding == (
        "the user u may not read events_v2, so queries fail: GRANT SELECT ON `db`.* TO `u`"
    )


async def test_a_server_that_does_not_know_the_question() -> None:
    async def execute(sql: str) -> Sequence[Sequence[str]]:
        raise StoreUnavailable(f"Syntax error: {sql}")

    assert await check_rights(execute, "u", "db") == ()


REACHING_OUT = [
    f"{source} ON *.*" for source in ("FILE", "URL", "REMOTE", "S3", "MYSQL", "POSTGRES")
]


async def test_queries_that_can_only_read() -> None:
    assert await check_query_rights(server(*REACHING_OUT), "q", "db", own=True) == ()


async def test_queries_that_can_do_more() -> None:
    execute = server(*REACHING_OUT[2:])
    assert await check_query_rights(execute, "q", "db", own=False) == (
        "queries run as the user q, who may reach beyond the server (FILE, URL)",
    )


@pytest.mark.parametrize(("own", "findings"), [(True, 1), (False, 0)])
async def test_queries_that_cannot_read(own: bool, findings: int) -> None:
    execute = server(*REACHING_OUT, "SELECT ON `db`.`events_v2`")
    found = await check_query_rights(execute, "q", "db", own=own)
    assert len(found) == findings
    assert all("may not read events_v2, so queries fail: GRANT SELECT, dict" in f for f in found)


async def test_a_server_that_does_not_know_the_question_of_queries() -> None:
    async def execute(sql: str) -> Sequence[Sequence[str]]:
        raise StoreUnavailable(f"Syntax error: {sql}")

    assert await check_query_rights(execute, "q", "db", own=True) == ()


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ([], None),
        (["INSERT"], "the user u lacks INSERT on sluice_servers"),
        (["SELECT", "INSERT"], "the user u lacks SELECT and INSERT on sluice_servers"),
    ],
)
async def test_servers_that_cannot_find_each_other(lacking: list[str], told: str | None) -> None:
    execute = server(*(f"{right} ON `db`.`sluice_servers`" for right in lacking))
    findings = await check_server_rights(execute, "u", "db")
    if told is None:
        assert findings == ()
        return
    (finding,) = findings
    assert finding.startswith(told)
    assert finding.endswith(f"GRANT {', '.join(lacking)} ON `db`.`sluice_servers` TO `u`")
