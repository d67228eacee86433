"""The role `front`: takes requests, keeps events in an outbox, and sends them to Kafka."""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from actors.clock.wall_clock import Clock
from actors.cluster.forwarder import Forwarder, ForwarderOptions
from actors.cluster.forwarding import Forwarding
from actors.cluster.import_destination import OutboxDestination
from actors.cluster.import_states import ClusterImports
from actors.cluster.letter_redrive import EventRedrive
from actors.cluster.producer_thread import ProducerThread
from actors.cluster.salt_agreement import SaltAgreementKeeper, load_agreement
from actors.cluster.topic_reader import TopicReader
from actors.imports.importer import Importer
from actors.keepers.file_watcher import FileWatcher
from actors.keepers.plausible_registry import PlausibleRegistry
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.topology import Collector
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.traces import Tracing
from ingest.engine.connection import consumer_options, producer_options
from ingest.engine.partitioning import Partitioner
from ingest.engine.salt_agreement import MAX_JITTER, SaltAgreement
from ingest.engine.topics import topic_names
from ingest.http.export_routes import add_export_routes
from ingest.http.import_routes import add_import_routes
from ingest.server.cluster_letters import letters_of_front
from ingest.server.imports import PAUSE_RATIO, import_context
from ingest.server.joining import join_cluster
from ingest.server.listening import listen, server_file
from ingest.server.member import Figures, Member, open_member_topics
from ingest.server.opened_store import opened_store
from ingest.server.outbox import open_outbox, remembered_cluster
from ingest.server.running import exit_code_of, run_collector
from ingest.server.start_files import load_reference, open_plausible, reloads
from ingest.server.state_files import StateFiles
from ingest.server.traces import open_telemetry
from ingest.server.web import Web
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Front:
    """The parts of a running front.

    Attributes:
        collector: Owns the actors.
        importer: Imports past events; one of the actors.
        sites: Reloads the sites.
        geo: Reloads the geo database; None if there is none.
        member: What the front is in its cluster.
    """

    collector: Collector
    importer: Importer
    sites: FileWatcher[Any] | PlausibleRegistry
    geo: FileWatcher[Any] | None
    member: Member


@contextlib.asynccontextmanager
async def open_front(
    settings: Settings,
    files: StateFiles,
    *,
    tracing: Tracing | None = None,
    pause_ratio: float = 0.0,
) -> AsyncIterator[Front]:
    """Open what a front consists of, besides web server and store, and close it at the end.

    A front that has been in the cluster before is opened also while Kafka is away.

    Args:
        settings: The process's settings.
        files: The state directory.
        tracing: Receives restarts; None to disable tracing.
        pause_ratio: As in `ImportContext`.

    Raises:
        StartError: The operator must fix something first.
        DurabilityError: The state directory cannot be used.
    """
    record, retention = await join_cluster(settings, "front", remembered_cluster(files))
    clock = Clock.system()
    plausible = await open_plausible(settings, files, clock)
    reference = load_reference(settings, NO_SALTS, plausible)
    secret = settings.cluster_secret
    assert secret is not None  # noqa: S101 - `join_cluster` has checked it
    partitioner = Partitioner(secret.get_secret_value(), record.partitions)
    reference.partition_of = partitioner.partition_of
    names = topic_names(settings.kafka_prefix)
    async with open_member_topics(settings) as topics:
        sites, geo = reloads(settings, reference, plausible)
        keepers: list[Actor] = [sites] if geo is None else [sites, geo]
        with (
            open_outbox(settings, files, clock, record) as outbox,
            _reader(settings, names.salts) as salts_reader,
        ):
            front = FrontHalf(
                reference,
                clock,
                outbox,
                files.dead_letters,
                disk_suffices=settings.ack == "journal" or settings.ack_outage == "journal",
            )
            forwarder = Forwarder(
                outbox,
                clock,
                front.verdicts,
                partial(ProducerThread, producer_options(settings), ordered=True, name="forwarder"),
                front.metrics,
                ForwarderOptions(
                    names.events,
                    record.partitions,
                    settings.ack,
                    settings.ack_outage,
                    settings.old_events,
                ),
            )
            agreement = _agreement(files, clock)
            salts = SaltAgreementKeeper(
                files.salts,
                agreement,
                reference,
                clock,
                salts_reader,
                topics.send,
                names.salts,
                None if plausible is None else plausible.plausible_salts,
            )
            member = Member(settings, "front", record, clock, retention)

            def figures() -> Figures:
                return Figures(
                    forwarder.forwarded_events, forwarder.trouble or "", forwarder.backlog
                )

            control = topics.join(member, figures, reference.limiter)
            letters = letters_of_front(settings, topics.send, clock.now)
            redrive = EventRedrive(
                letters,
                front.verdicts,
                outbox,
                front.to_recorder(),
                forwarder.wait_acknowledged,
            )
            states = ClusterImports(
                control, topics.send, names.control, agreement.salts_at, clock.now
            )
            destination = OutboxDestination(outbox, forwarder, member.cluster, clock)
            importer = Importer(
                import_context(settings, states, reference, clock, destination, pause_ratio)
            )
            keepers += [letters, redrive, importer]
            forwarding = Forwarding(outbox, forwarder, control, salts, front.metrics)
            collector = Collector(front, forwarding, keepers=keepers, tracing=tracing)
            yield Front(collector, importer, sites, geo, member)


async def run_front(settings: Settings, files: StateFiles) -> int:
    """Run a front.

    Returns:
        The process's exit code.

    Raises:
        StartError: The operator must fix something first.
    """
    async with (
        open_telemetry(settings) as telemetry,
        open_front(settings, files, tracing=telemetry, pause_ratio=PAUSE_RATIO) as front,
        _store(settings) as store,
    ):
        listeners = await listen(settings.host, settings.port)
        port = listeners[0].socket.getsockname()[1]
        collector, member = front.collector, front.member
        web = Web(
            settings,
            collector,
            front.sites,
            front.geo,
            None,
            store,
            telemetry,
            lambda: member.cluster,
            member.id,
        )
        add_import_routes(web.app, front.importer, web.operator)
        add_export_routes(web.app, collector.reference, None, web.operator)
        with server_file(files.server, port, web.command_token):
            server = web.server(listeners)
            await run_collector(collector, server, settings.shutdown_seconds, port)
        exit_code = exit_code_of(collector)
    log.info("stopped", exit_code=exit_code)
    return exit_code


def _agreement(files: StateFiles, clock: Clock) -> SaltAgreement:
    jitter = random.uniform(0, MAX_JITTER)  # noqa: S311 - no secret
    return load_agreement(files.salts, clock.now(), jitter)


NO_SALTS: Final = Salts(Salt(fresh_key(), 0))
"""Stands for the salts until the fronts have agreed; no event is accepted before."""


@contextlib.asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store | None]:
    """The store for queries, if one is configured for this front."""
    if "clickhouse_url" not in settings.model_fields_set:
        yield None
        return
    async with opened_store(settings) as (store, _):
        yield store


@contextlib.contextmanager
def _reader(settings: Settings, topic: str) -> Iterator[TopicReader]:
    reader = TopicReader(consumer_options(settings), topic, name=topic)
    try:
        yield reader
    finally:
        reader.close()
