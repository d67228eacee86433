"""A fold's state as bytes, in small parts: a header, then sessions, sources and imports.

    part    kind (1 byte), form (1), content as msgpack or JSON (`ingest.records.encoding`)

The file that keeps the parts adds checksums. The header says how many entries follow. An import is
a part with its figures and the number of its sessions, and then parts with these.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from ingest.fold.fold import Fold
from ingest.fold.import_sessions import ImportFigures, SavedImport
from ingest.fold.sources import TakenSource
from ingest.records.encoding import Decoder, encode
from ingest.records.record import Description
from ingest.sessions.session import Session, with_shared_values

VERSION: Final = 1

T = TypeVar("T")

PART_SIZE: Final = 100_000
"""Approximate number of characters of a part: some 250 ordinary sessions. Encoding them blocks the
event loop for a fraction of a millisecond, or for a few milliseconds as JSON."""

_ROW_SIZE: Final = 400
"""Size of a session without its properties, or of a source, in characters."""

_HEADER, _LIVE, _PAST, _SOURCES, _IMPORT, _IMPORT_SESSIONS = range(6)


class CheckpointHeader(msgspec.Struct, frozen=True, array_like=True):
    """The first part of a checkpoint.

    Attributes:
        version: Of this form.
        log_id: Of the log.
        position: In the log: all records before it are applied.
        number: Events before that position.
        log_time: As in `Fold`.
        description: As in `Fold`.
        sessions: How many live sessions follow.
        past: How many past sessions follow.
        sources: How many taken sources follow.
        imports: How many imports follow; none in checkpoints of earlier versions.
    """

    version: int
    log_id: str
    position: int
    number: int
    log_time: int
    description: Description
    sessions: int
    past: int
    sources: int
    imports: int = 0


class _ImportHeader(msgspec.Struct, frozen=True, array_like=True):
    """An import without its sessions, and how many these are; the rest is as in `SavedImport`."""

    source: str
    touched: int
    figures: ImportFigures
    sessions: int


class FoldState(msgspec.Struct, frozen=True, gc=False):
    """A fold's state at one position of its log; it shares the session objects with the fold.

    Attributes:
        log_id: Of the log.
        position: In the log: all records before it are applied.
        number: Events before that position.
        log_time: As in `Fold`.
        description: As in `Fold`.
        sessions: Live sessions, in no particular order.
        past: Past sessions, least recently touched first.
        sources: Taken sources, in the order in which `TakenSources` gives them.
        imports: Imports under way, in the order in which `Imports` gives them.
    """

    log_id: str
    position: int
    number: int
    log_time: int
    description: Description
    sessions: Collection[Session]
    past: Collection[Session]
    sources: Collection[TakenSource]
    imports: Sequence[SavedImport] = ()

    def restore(self) -> Fold:
        """A fold in this state."""
        fold = Fold(self.description)
        fold.log_time = self.log_time
        fold.sessions.restore(self.sessions)
        fold.past.restore(self.past)
        fold.sources.restore(self.sources)
        fold.imports.restore(self.imports, self.description.session_seconds)
        return fold


def write_parts(state: FoldState) -> Iterator[bytes]:
    """Encode a state's parts one by one."""
    yield _part(
        _HEADER,
        CheckpointHeader(
            VERSION,
            state.log_id,
            state.position,
            state.number,
            state.log_time,
            state.description,
            len(state.sessions),
            len(state.past),
            len(state.sources),
            len(state.imports),
        ),
    )
    for kind, sessions in ((_LIVE, state.sessions), (_PAST, state.past)):
        for some in _slices(sessions, _session_size):
            yield _part(kind, some)
    for sources in _slices(state.sources, lambda source: _ROW_SIZE):
        yield _part(_SOURCES, sources)
    for source, touched, figures, sessions in state.imports:
        yield _part(_IMPORT, _ImportHeader(source, touched, figures, len(sessions)))
        for some in _slices(sessions, _session_size):
            yield _part(_IMPORT_SESSIONS, some)


def read_parts(parts: Iterable[bytes]) -> FoldState:
    """Read what `write_parts` wrote.

    Raises:
        ValueError: The parts are not those of a whole checkpoint of a known version.
    """
    iterator = iter(parts)
    header = _read_header(next(iterator, b""))
    sessions: list[Session] = []
    past: list[Session] = []
    sources: list[TakenSource] = []
    imports: list[tuple[_ImportHeader, list[Session]]] = []
    for part in iterator:
        kind, form, body = _split(part)
        if kind == _LIVE:
            sessions += map(with_shared_values, _SESSION_LIST.decode(form, body))
        elif kind == _PAST:
            past += map(with_shared_values, _SESSION_LIST.decode(form, body))
        elif kind == _SOURCES:
            sources += _SOURCE_LIST.decode(form, body)
        elif kind == _IMPORT:
            imports.append((_IMPORT_HEADERS.decode(form, body), []))
        elif kind == _IMPORT_SESSIONS and imports:
            imports[-1][1].extend(map(with_shared_values, _SESSION_LIST.decode(form, body)))
        else:
            raise ValueError(f"not a checkpoint: a part of kind {kind}")
    found = len(sessions), len(past), len(sources), len(imports)
    if found != (header.sessions, header.past, header.sources, header.imports) or any(
        len(its) != each.sessions for each, its in imports
    ):
        raise ValueError("not a whole checkpoint: parts are missing")
    return FoldState(
        header.log_id,
        header.position,
        header.number,
        header.log_time,
        header.description,
        sessions,
        past,
        sources,
        tuple(SavedImport(each.source, each.touched, each.figures, its) for each, its in imports),
    )


_HEADERS: Final = Decoder[CheckpointHeader](CheckpointHeader)
_IMPORT_HEADERS: Final = Decoder[_ImportHeader](_ImportHeader)
_SESSION_LIST: Final = Decoder[list[Session]](list[Session])
_SOURCE_LIST: Final = Decoder[list[TakenSource]](list[TakenSource])


def _read_header(part: bytes) -> CheckpointHeader:
    kind, form, body = _split(part)
    if kind != _HEADER:
        raise ValueError("not a checkpoint: it has no header")
    version = Decoder[list[Any]](list[Any]).decode(form, body)[:1]
    if version != [VERSION]:
        raise ValueError(f"version {version} of a checkpoint is not known, only {VERSION}")
    return _HEADERS.decode(form, body)


def _slices(content: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Split content into slices that take about the same time to encode."""
    some: list[T] = []
    size = 0
    for each in content:
        some.append(each)
        size += size_of(each)
        if size >= PART_SIZE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _session_size(session: Session) -> int:
    """Approximate number of characters of a session; its properties may be long."""
    return _ROW_SIZE + sum([len(key) + len(value) for key, value in session.entry_props])


def _part(kind: int, content: object) -> bytes:
    form, body = encode(content)
    return bytes((kind, form)) + body


def _split(part: bytes) -> tuple[int, int, memoryview]:
    if len(part) < 2:
        raise ValueError("not a checkpoint: a part is empty")
    return part[0], part[1], memoryview(part)[2:]
