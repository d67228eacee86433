"""Failures of Kafka, as messages for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ingest.engine.connection import admin_options
from ingest.engine.connection_failure import explain_failure
from ingest.settings import Settings


@contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """Turn a failure of Kafka into a message for the operator."""
    from actors.cluster.failure import KafkaFailure

    try:
        yield
    except KafkaFailure as failure:
        finding = explain_failure(failure.name, str(failure), admin_options(settings))
        raise click.ClickException(f"{finding.text}\n→ {finding.advice}") from None
