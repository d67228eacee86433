"""Starts a process in its role, and gives its exit code."""

import importlib.util
import sys
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import trio

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from ingest.server.durability import DurabilityError
from ingest.server.open_files import raise_file_limit
from ingest.server.signals import ignore_signals
from ingest.server.start_files import StartError
from ingest.server.state_files import StateFiles, describe_failure
from ingest.settings import Settings

Role = Literal["all", "front", "worker"]

SWITCH_SECONDS: Final = 0.001
"""The interpreter's switch interval; Python's default of 5 ms delays answers noticeably."""


def serve(settings: Settings, role: Role = "all") -> int:
    """Run the process.

    Args:
        settings: The process's settings.
        role: What it does.

    Returns:
        The process's exit code: 0 after a drain, 70 after a fatal failure, 74 when the log could
        not be trusted.

    Raises:
        StartError: The operator must fix something first.
    """
    ignore_signals()
    run = _composition_root(role)
    raise_file_limit()
    files = StateFiles(settings.state_dir)
    try:
        with locked_directory(files.directory):
            # The writer's thread must release the interpreter's lock within a millisecond.
            sys.setswitchinterval(SWITCH_SECONDS)
            return trio.run(run, settings, files)
    except (StateDirectoryBusyError, DurabilityError) as error:
        raise StartError(str(error)) from None
    except (OSError, ExceptionGroup) as raised:
        only = only_error(raised)
        if not isinstance(only, OSError):
            raise
        raise StartError(describe_failure(only)) from None


def only_error(raised: Exception) -> Exception:
    """The error that nurseries have wrapped, if it is the only one."""
    while isinstance(raised, ExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    return raised


def require_kafka_client(what: str) -> None:
    """Refuse what needs Kafka's client, an optional extra, if it is not installed.

    Raises:
        StartError: It is not.
    """
    if importlib.util.find_spec("confluent_kafka") is None:
        raise StartError(f"{what} needs Kafka's client: pip install 'sluice-collector[kafka]'")


def _composition_root(role: Role) -> Callable[[Settings, StateFiles], Awaitable[int]]:
    """What runs a role. Loads Kafka's client, an optional extra, only for a role that needs it."""
    if role == "all":
        from ingest.server.roles.all import run_all

        return run_all
    require_kafka_client(f"--role {role}")
    if role == "front":
        from ingest.server.roles.front import run_front

        return run_front
    from ingest.server.roles.worker import run_worker

    return run_worker
