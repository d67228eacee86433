"""`sluice engine`: a cluster of fronts and workers on Apache Kafka."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.explained_failure import explained
from ingest.commands.output import json_option, paint, print_json, print_painted
from ingest.engine.cluster_record import MAX_PARTITIONS
from ingest.engine.topics import PARTITIONS, REPLICATION

MAX_REPLICATION: Final = 15


@click.group("engine")
def engine() -> None:
    """Make, check and watch a cluster of many machines on Apache Kafka."""
    from ingest.check.cluster import (
        CLIENT_MISSING,
        INSTALL_CLIENT,
        client_installed,
        silence_client,
    )

    if not client_installed():
        raise click.ClickException(f"{CLIENT_MISSING}: {INSTALL_CLIENT}")
    silence_client()


@engine.command("create")
@click.option(
    "--partitions",
    type=click.IntRange(1, MAX_PARTITIONS),
    help="How many parts the events are divided into, for good; at most one worker has a part. "
    f"{PARTITIONS} for a new cluster if not given.",
)
@click.option(
    "--replication",
    type=click.IntRange(1, MAX_REPLICATION),
    default=REPLICATION,
    show_default=True,
    help="How many brokers keep each event; 1 for a trial.",
)
@click.option(
    "--from",
    "state_directory",
    type=click.Path(path_type=Path),
    metavar="STATE_DIR",
    help="Take the salts of a single process, or of another cluster's front, that was stopped, so "
    "that visitors keep their ids; and its finished imports, so that they are known.",
)
@json_option
def create(
    partitions: int | None, replication: int, state_directory: Path | None, *, as_json: bool
) -> None:
    """Make the topics of a cluster and its record, as far as they are missing.

    The record keeps what cannot change: the number of partitions and SLUICE_SESSION_MINUTES.
    """
    import trio

    from ingest.server.cluster_creation import CreationError, WantedCluster, create_cluster
    from ingest.server.drained_state import DrainedState, NotDrainedError, drained_state

    def tell(text: str) -> None:
        if as_json:
            print_json({"done": text})
        else:
            click.echo(text)

    settings = settings_of_command()
    source: AbstractContextManager[DrainedState] = (
        nullcontext(DrainedState()) if state_directory is None else drained_state(state_directory)
    )
    try:
        with explained(settings), source as replaced:
            asked = WantedCluster(partitions, replication, replaced)
            trio.run(create_cluster, settings, asked, tell)
    except (CreationError, NotDrainedError) as error:
        raise click.ClickException(str(error)) from None
    if replication < REPLICATION:
        click.echo(
            f"warning: with {replication} of {REPLICATION} replicas, events that were acknowledged "
            "may be lost with a broker",
            err=True,
        )
    if not as_json:
        click.echo("`sluice engine check` compares all settings.")


@engine.command("check")
@json_option
def check(*, as_json: bool) -> None:
    """Compare the brokers, the topics and the store with what a cluster needs. Changes nothing.

    Each line is ok, a warning or a problem, with what to do about it. Exit code 0 when the cluster
    could work, 1 when not.
    """
    from ingest.check.cluster import check_engine

    report = check_engine(settings_of_command())
    if as_json:
        print_json(report.to_dict())
    else:
        print_painted(report.lines(paint))
    sys.exit(0 if report.good else 1)


@engine.command("status")
@json_option
def status(*, as_json: bool) -> None:
    """Show who runs, and how far the workers are with each partition.

    Exit code 1 when Kafka cannot be asked.
    """
    import trio

    from ingest.commands.engine_display import status_lines
    from ingest.server.cluster_survey import NoClusterError, survey_status

    settings = settings_of_command()
    try:
        with explained(settings):
            found = trio.run(survey_status, settings)
    except NoClusterError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json(found.to_dict())
    else:
        print_painted(status_lines(found, paint))
