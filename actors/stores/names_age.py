"""Asks a database for the age of its source names."""

from actors.stores.migration import Execute
from actors.stores.native_line import ServerError
from actors.stores.refusal import operator_at_fault, tables_at_fault
from ingest.rows.names_age import NamesAge, names_age_query


async def find_names_age(execute: Execute, database: str) -> NamesAge:
    """Find the age of the source names of a database made by Plausible.

    Args:
        execute: Runs a statement.
        database: Its name.

    Raises:
        StoreError: As `execute` does, unless the migrations cannot be read.
    """
    try:
        ((count,),) = await execute(names_age_query(database))
    except ServerError as error:
        if operator_at_fault(error.code) or tables_at_fault(error.code):
            return NamesAge.UNKNOWN
        raise
    return NamesAge.NEWEST if int(count) else NamesAge.OLDER
