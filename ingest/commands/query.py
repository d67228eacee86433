"""`sluice query`: a read-only query against the store."""

import click

from ingest.commands.configuration import settings_of_command


# SQL may begin with a comment, which looks like an option.
@click.command("query", context_settings={"ignore_unknown_options": True})
@click.argument("sql")
def query_command(sql: str) -> None:
    """Run a read-only query against the store and print a JSON object for each row.

    The embedded store is asked through the server while that runs.
    """
    from ingest.client.query import QueryError, query

    try:
        for row in query(settings_of_command(), sql):
            click.echo(row)
    except QueryError as error:
        raise click.ClickException(str(error)) from None
