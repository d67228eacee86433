"""Whether a ClickHouse user may do what its tables are there for."""

from collections.abc import Awaitable, Callable, Sequence

from actors.stores.store import StoreError, StoreMisconfigured
from ingest.rows.schema import TABLES, quote_identifier

Execute = Callable[[str], Awaitable[Sequence[Sequence[str]]]]


async def check_rights(execute: Execute, user: str, database: str) -> tuple[str, ...]:
    """Ask before there are rows whether they will be taken.

    Older servers know no `CHECK GRANT`; there the first insert shows it.

    Args:
        execute: Runs a statement; raises a `StoreError` when it fails.
        user: The ClickHouse user.
        database: With the tables, all of which exist.

    Returns:
        What an operator ought to know.

    Raises:
        StoreMisconfigured: No rows can be inserted.
    """
    lacking = {right: await _lacking(execute, right, database) for right in ("INSERT", "SELECT")}
    grant = f"ON {quote_identifier(database)}.* TO {quote_identifier(user)}"
    if lacking["INSERT"]:
        raise StoreMisconfigured(
            f"the user {user} may not insert into {', '.join(lacking['INSERT'])}: "
            f"GRANT INSERT {grant}"
        )
    if lacking["SELECT"]:
        return (
            f"the user {user} may not read {', '.join(lacking['SELECT'])}, so queries fail: "
            f"GRANT SELECT {grant}",
        )
    return ()


async def _lacking(execute: Execute, right: str, database: str) -> list[str]:
    lacking = []
    for table in TABLES:
        name = f"{quote_identifier(database)}.{quote_identifier(table)}"
        try:
            ((granted,),) = await execute(f"CHECK GRANT {right} ON {name}")
        except StoreError:
            return []
        if granted != "1":
            lacking.append(table)
    return lacking
