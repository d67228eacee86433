"""Creates the actor that imports past events."""

from actors.clock.wall_clock import Clock
from actors.imports.destination import Destination
from actors.imports.import_states import ImportStates
from actors.imports.opening import ImportContext
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.settings import Settings

PAUSE_RATIO = 1.0
"""Seconds that an import pauses per second of work, so that live events get half of the core."""


def import_context(
    settings: Settings,
    states: ImportStates,
    reference: Reference,
    clock: Clock,
    destination: Destination,
    pause_ratio: float = 0.0,
) -> ImportContext:
    """What imports need in a process with these settings.

    Args:
        settings: The process's settings.
        states: Where the state of imports is saved.
        reference: Sites and places.
        clock: Tells the time.
        destination: Takes the events.
        pause_ratio: As in `ImportContext`.
    """
    return ImportContext(
        reference=reference,
        states=states,
        clock=clock,
        proxies=TrustedProxies.parse(settings.trusted_proxies),
        session_seconds=settings.session_minutes * 60,
        destination=destination,
        pause_ratio=pause_ratio,
    )
