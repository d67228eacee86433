"""Checks the privileges of the ClickHouse users, for inserts and for queries."""

from collections.abc import Awaitable, Callable, Sequence

from actors.stores.store import StoreError, StoreMisconfigured
from ingest.rows.schema import TABLES, quote_identifier
from ingest.rows.servers import SERVERS

_SOURCES = ("FILE", "URL", "REMOTE", "S3", "MYSQL", "POSTGRES")
"""Rights to read the server's files, and to have it ask other hosts."""

Execute = Callable[[str], Awaitable[Sequence[Sequence[str]]]]


async def check_rights(execute: Execute, user: str, database: str) -> tuple[str, ...]:
    """Check at start whether inserts are allowed.

    Older servers have no `CHECK GRANT`; there the first insert shows it.

    Args:
        execute: Runs a statement; raises a `StoreError` when it fails.
        user: The ClickHouse user.
        database: With the tables, all of which exist.

    Returns:
        Information for the operator.

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


async def check_query_rights(
    execute: Execute, user: str, database: str, *, own: bool
) -> tuple[str, ...]:
    """Ask whether queries can read the tables, and nothing beyond the server.

    Args:
        execute: Runs a statement as the user that queries run as; raises a `StoreError` when it
            fails.
        user: That user.
        database: With the tables.
        own: Whether it is another user than the one of `check_rights`.

    Returns:
        What an operator ought to know.
    """
    findings = []
    if own and (lacking := await _lacking(execute, "SELECT", database)):
        findings.append(
            f"the user {user} may not read {', '.join(lacking)}, so queries fail: "
            f"GRANT SELECT, dictGet ON {quote_identifier(database)}.* TO {quote_identifier(user)}"
        )
    if reached := [source for source in _SOURCES if await _may(execute, f"{source} ON *.*")]:
        findings.append(
            f"queries run as the user {user}, "
            f"who may reach beyond the server ({', '.join(reached)})"
        )
    return tuple(findings)


async def check_server_rights(execute: Execute, user: str, database: str) -> tuple[str, ...]:
    """Ask whether the servers of the database can find each other.

    Args:
        execute: Runs a statement; raises a `StoreError` when it fails.
        user: The ClickHouse user.
        database: With the table of servers.

    Returns:
        What an operator ought to know.
    """
    table = f"{quote_identifier(database)}.{quote_identifier(SERVERS)}"
    lacking = [
        right
        for right in ("SELECT", "INSERT")
        if await _may(execute, f"{right} ON {table}") is False
    ]
    if not lacking:
        return ()
    return (
        f"the user {user} lacks {' and '.join(lacking)} on {SERVERS}, so servers that write to one "
        f"database do not find each other: GRANT {', '.join(lacking)} ON {table} "
        f"TO {quote_identifier(user)}",
    )


async def _may(execute: Execute, grant: str) -> bool | None:
    """Whether a right is granted; None when the server does not know the question."""
    try:
        ((granted,),) = await execute(f"CHECK GRANT {grant}")
    except StoreError:
        return None
    return granted == "1"


async def _lacking(execute: Execute, right: str, database: str) -> list[str]:
    return [
        table
        for table in TABLES
        if await _may(execute, f"{right} ON {quote_identifier(database)}.{quote_identifier(table)}")
        is False
    ]
