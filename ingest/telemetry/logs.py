"""Structured logs on standard error, for this program and its libraries."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ingest.telemetry.log_output import LogOutput
from ingest.telemetry.request_id import CURRENT

MASKED: Final = "***"

_SENSITIVE_KEY: Final = re.compile(
    r"(?:^|_)(?:ip|ip_address|remote_addr(?:ess)?|forwarded(?:_for)?|user_agent|ua"
    r"|token|salts?|password|passwd|secret|authorization|cookie)$"
)
_URL_CREDENTIALS: Final = re.compile(r"://[^\s@]{1,256}@")
_LIBRARIES: Final = ("hypercorn.error", "hypercorn.access", "asynch", "quart.app", "quart.serving")
_MAX_DEPTH: Final = 4

_ACCEPTING: Final = "trio.serve_listeners"
"""Logs, ten times a second and with a traceback, that there is no file for a new connection."""

QUIET_SECONDS: Final = 60.0


def configure(level: str, log_format: Literal["console", "json"]) -> None:
    """Send all logs to standard error. May be called again; the last call counts.

    Args:
        level: The least severe that is shown, in any case; one of the standard library's names.
        log_format: `console` for people (coloured on a terminal), `json` for machines.

    Raises:
        ValueError: There is no such level.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_request_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # If a line cannot be formatted, the error report would contain the logged data.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = LogOutput(sys.stderr, _report_dropped)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_sensitive,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.getLogger(_ACCEPTING).filters = [Seldom()]
    logging.captureWarnings(capture=True)


class Seldom(logging.Filter):
    """Lets one line a minute pass, without its traceback."""

    def __init__(self) -> None:
        """Let the first line pass."""
        super().__init__()
        self._passed = -QUIET_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged."""
        if abs(record.created - self._passed) < QUIET_SECONDS:
            return False
        self._passed = record.created
        record.exc_info = None
        return True


def dropped_lines() -> int:
    """Return how many log lines have been dropped because nobody reads the log."""
    outputs = (one for one in logging.getLogger().handlers if isinstance(one, LogOutput))
    return sum(output.dropped for output in outputs)


def _report_dropped(lines: int) -> None:
    structlog.get_logger(__name__).warning("log lines dropped, nobody read the log", lines=lines)


def stack_of(error: BaseException) -> str:
    """Where an exception was raised, without its text, which may contain visitor data."""
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()


def add_request_id(logger: WrappedLogger | None, method: str, event: EventDict) -> EventDict:
    """Add the current request's id, if any, also to lines of libraries."""
    current = CURRENT.get()
    if current is not None:
        event.setdefault("request_id", current.text)
    return event


def mask_sensitive(logger: WrappedLogger | None, method: str, event: EventDict) -> EventDict:
    """Mask data that must not be logged.

    Values whose key means an address, a user agent or a secret are replaced, also in nested values.
    Credentials are removed from URLs in any text, including tracebacks.
    """
    return {key: _masked(key, value, _MAX_DEPTH) for key, value in event.items()}


def mask_credentials(text: str) -> str:
    """Remove user and password from the URLs in a text."""
    return _URL_CREDENTIALS.sub(f"://{MASKED}@", text)


def _masked(key: object, value: Any, depth: int) -> Any:
    if isinstance(key, str) and _SENSITIVE_KEY.search(key.lower().replace("-", "_")):
        return MASKED
    if isinstance(value, str):
        return mask_credentials(value)
    if isinstance(value, Mapping | list | tuple):
        if depth == 0:
            return MASKED
        if isinstance(value, Mapping):
            return {inner: _masked(inner, held, depth - 1) for inner, held in value.items()}
        return [_masked(None, held, depth - 1) for held in value]
    return value


def _renderer(log_format: Literal["console", "json"]) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        # Rich tracebacks would show local variables, including addresses.
        exception_formatter=structlog.dev.plain_traceback,
    )
