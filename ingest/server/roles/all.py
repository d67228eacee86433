"""The role `all`: everything in one process, with the log in files."""

import structlog

from actors.clock.wall_clock import Clock
from actors.imports.destination import StoringDestination
from actors.imports.import_files import ImportFiles
from actors.imports.importer import Importer
from actors.keepers.other_servers import OtherServers
from actors.keepers.plausible_registry import SALTS_SECONDS
from actors.keepers.salt_keeper import RECHECK_SECONDS, SaltKeeper, load_salts
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import FlushLimits, Storing
from actors.pipeline.topology import Collector
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.traces import Tracing
from ingest.http.export_routes import add_export_routes
from ingest.http.import_routes import add_import_routes
from ingest.pipeline.reference import Reference
from ingest.server.durability import KeptEvents, open_kept_events
from ingest.server.identity import identify_server
from ingest.server.imports import PAUSE_RATIO, import_context
from ingest.server.listening import listen, server_file
from ingest.server.opened_store import opened_store
from ingest.server.running import exit_code_of, run_collector
from ingest.server.start_files import load_reference, open_plausible, reloads
from ingest.server.state_files import StateFiles
from ingest.server.traces import open_telemetry
from ingest.server.web import Web
from ingest.sessions import salts
from ingest.settings import Settings

log = structlog.get_logger()


def open_pipeline(
    settings: Settings,
    files: StateFiles,
    clock: Clock,
    reference: Reference,
    kept: KeptEvents,
    store: Store,
    *,
    opened: bool = True,
    tracing: Tracing | None = None,
) -> tuple[FrontHalf, Storing]:
    """The two halves of a single process's pipeline.

    Args:
        settings: The process's settings.
        files: The state directory.
        clock: The pipeline's time.
        reference: The data that the steps look up.
        kept: The log, and the state of its fold.
        store: Where rows go.
        opened: Whether the store is open; otherwise the writer opens it.
        tracing: Receives inserts; None to disable tracing.
    """
    front = FrontHalf(reference, clock, kept.log, files.dead_letters)
    storing = Storing(
        kept.log,
        kept.state,
        store,
        clock,
        front.verdicts,
        front.letters,
        front.metrics,
        FlushLimits(settings.flush_rows, settings.flush_seconds),
        checkpoints=kept.checkpoints,
        predecessor=kept.predecessor,
        store_opened=opened,
        tracing=tracing,
    )
    return front, storing


async def run_all(settings: Settings, files: StateFiles) -> int:
    """Run the server.

    Returns:
        The process's exit code.

    Raises:
        StartError: The operator must fix something first.
        OSError: A file in the state directory cannot be used.
    """
    clock = Clock.system()
    plausible = await open_plausible(settings, files, clock)
    choose_salts = salts.start if plausible is None else plausible.choose_salts
    own_salts = load_salts(files.salts, clock.now(), choose_salts)
    reference = load_reference(settings, own_salts, plausible)
    listeners = await listen(settings.host, settings.port)
    port = listeners[0].socket.getsockname()[1]
    async with (
        open_telemetry(settings) as telemetry,
        opened_store(settings) as (store, opened),
    ):
        reference.older_names = lambda: store.older_names
        sites, geo = reloads(settings, reference, plausible)
        others = OtherServers(store, identify_server(files.server_id, port))
        salt_keeper = SaltKeeper(
            files.salts,
            reference,
            clock,
            choose_salts,
            RECHECK_SECONDS if plausible is None else SALTS_SECONDS,
        )
        keepers: list[Actor] = [salt_keeper, sites, others]
        if geo is not None:
            keepers.append(geo)
        with open_kept_events(settings, files, clock) as kept:
            front, storing = open_pipeline(
                settings, files, clock, reference, kept, store, opened=opened, tracing=telemetry
            )
            destination = StoringDestination(kept.log, storing, clock)
            states = ImportFiles(files.imports)
            importer = Importer(
                import_context(settings, states, reference, clock, destination, PAUSE_RATIO)
            )
            collector = Collector(front, storing, keepers=[*keepers, importer], tracing=telemetry)
            front.metrics.show(others.figures)
            web = Web(settings, collector, sites, geo, others, store, telemetry)
            add_import_routes(web.app, importer, web.operator)
            add_export_routes(web.app, reference, store, web.operator)
            with server_file(files.server, port, web.command_token):
                await run_collector(
                    collector, web.server(listeners), settings.shutdown_seconds, port
                )
            exit_code = exit_code_of(collector)
    log.info("stopped", exit_code=exit_code)
    return exit_code
