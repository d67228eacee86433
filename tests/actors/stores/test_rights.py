from collections.abc import Sequence

import pytest

from actors.stores.rights import Execute, check_rights
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
