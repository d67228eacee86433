"""An event or rows that could not be handled or stored, and why; and the text form."""

import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from ingest.model.event import EnrichedEvent, Event, Visitor
from ingest.model.named_fields import AS_THEY_ARE, by_name, from_names
from ingest.rows.batch import Insert
from ingest.rows.layout import Row

VERSION = 2
"""Version of the text form; letters of version 1 are read, too."""

Content = Event | EnrichedEvent | Insert

_ROWS = '"rows": ['
_NO_ROWS = f"{_ROWS}]"


class LogPosition(msgspec.Struct, frozen=True):
    """The position of a record in a log.

    Attributes:
        log: The log's source id.
        partition: The log's partition.
        position: In the partition.
    """

    log: str
    partition: int
    position: int

    @property
    def letter_id(self) -> str:
        """Id of the letter of the record at this position."""
        return f"{self.log}-{self.partition}-{self.position}"

    @classmethod
    def of_letter(cls, letter_id: str) -> "LogPosition | None":
        """The position in a letter's id; None if the id has none."""
        found = _NAMED_BY_POSITION.fullmatch(letter_id)
        return None if found is None else cls(found[1], int(found[2]), int(found[3]))


_NAMED_BY_POSITION = re.compile(r"(.+)-(\d+)-(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event or rows that were set aside.

    Attributes:
        id: Identifies it on the command line.
        kind: `event` (failed before its visitor was known), `enriched_event` (failed on its way to
            a session) or `rows` (not stored).
        actor: The actor that could not handle it.
        created_at: Unix seconds.
        error: What went wrong: the store's message, or the type and location of an exception.
        content: The event or the rows. An event's address is shortened and its visitor ids are
            computed.
        partition: The log's partition that its events belong to.
        redriven: How often it was redriven and failed again.
        position: Position of the record that the fold could not handle; None for other letters.
    """

    id: str
    kind: str
    actor: str
    created_at: int
    error: str
    content: Content
    partition: int = 0
    redriven: int = 0
    position: LogPosition | None = None

    def to_json(self) -> str:
        """The letter as one JSON object, in ASCII, with each row on its own line."""
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """The text of `to_json`, row by row, so that other threads can run in between."""
        rows: tuple[Row, ...] = ()
        content = self.content
        if isinstance(content, Insert):
            rows, content = content.rows, replace(content, rows=())
        text = _dump(
            {
                "version": VERSION,
                "id": self.id,
                "kind": self.kind,
                "actor": self.actor,
                "created_at": self.created_at,
                "error": self.error,
                "partition": self.partition,
                "redriven": self.redriven,
                "position": None if self.position is None else asdict(self.position),
                "content": by_name(content),
            }
        )
        if not rows:
            yield text
            return
        before, _, after = text.rpartition(_NO_ROWS)
        yield f"{before}{_ROWS}"
        for number, row in enumerate(rows):
            yield f"{',' if number else ''}\n{_dump(row)}"
        yield f"\n]{after}"

    @classmethod
    def from_json(cls, text: str) -> "DeadLetter":
        """Decode a letter.

        Raises:
            ValueError: The text is not a letter of a known version.
        """
        try:
            first, *rows = text.split("\n")
            if rows:
                fields = _load(first + rows.pop())
                fields["content"]["rows"] = [_load(row.rstrip(",")) for row in rows]
            else:
                fields = _load(first)
            version, kind, content = fields["version"], fields["kind"], fields["content"]
            if version not in (1, VERSION):
                raise ValueError(f"version {version} of the letter is not known")
            return cls(
                id=fields["id"],
                kind=kind,
                actor=fields["actor"],
                created_at=fields["created_at"],
                error=fields["error"],
                content=_read_content(kind, content, version),
                partition=fields.get("partition", 0),
                redriven=fields.get("redriven", 0),
                position=msgspec.convert(fields.get("position"), LogPosition | None),
            )
        except (
            AttributeError,
            KeyError,
            TypeError,
            msgspec.ValidationError,
            json.JSONDecodeError,
        ) as error:
            raise ValueError(f"not a dead letter: {type(error).__name__}") from None

    @property
    def about(self) -> dict[str, str | int]:
        """What the content is about, in short."""
        content = self.content
        if isinstance(content, Insert):
            return {"table": content.table, "rows": len(content.rows)}
        return {"domain": content.domain, "timestamp": content.timestamp}

    def summary(self) -> dict[str, object]:
        """The letter's entry in a list."""
        return {
            "id": self.id,
            "kind": self.kind,
            "actor": self.actor,
            "created_at": self.created_at,
            "error": self.error,
            **self.about,
        }


def kind_of(content: Content) -> str:
    """The kind of a letter with that content."""
    if isinstance(content, Insert):
        return "rows"
    return "event" if isinstance(content, Event) else "enriched_event"


def redact(event: Event, identify: Callable[[], tuple[Visitor, int]]) -> Event:
    """Remove the visitor's address from an event, and add the visitor's ids and partition.

    The ids are computed now, because the salts will be deleted. The address is cut to its network
    (IPv4 /24, IPv6 /48), which is enough to find the country.
    """
    visitor, partition = event.visitor, event.partition
    if visitor is None:
        try:
            visitor, partition = identify()
        except Exception:  # computing the ids may be what failed
            visitor = None
    request = replace(event.request, client_ip=network_of(event.request.client_ip))
    return replace(
        event, ticket=0, position=0, request=request, visitor=visitor, partition=partition
    )


def network_of(address: str) -> str:
    """The network of an address, as the text of its first address; empty for invalid text."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, prefix), strict=False).network_address)


def describe(error: Exception | None) -> str:
    """The type and location of an exception, without its text, which may contain visitor data."""
    if error is None:
        return "the actor had stopped"
    place = innermost(error)
    where = "" if place is None else f" at {place.tb_frame.f_code.co_name}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"


def innermost(error: BaseException) -> TracebackType | None:
    """Where an exception was raised; None if it was never raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


def _read_content(kind: str, fields: dict[str, Any], version: int) -> Content:
    match kind:
        case "event":
            return from_names(Event, fields)
        case "enriched_event" if version == 1:
            return _read_enriched_version_1(fields)
        case "enriched_event":
            return from_names(EnrichedEvent, fields)
        case "rows":
            content = msgspec.convert(fields, Insert, builtin_types=AS_THEY_ARE)
            return replace(content, rows=tuple(map(_row, content.rows)))
        case _:
            raise KeyError(kind)


def _read_enriched_version_1(fields: dict[str, Any]) -> EnrichedEvent:
    """An event of version 1, which had no nonce, and had `received` only for past events."""
    received = fields.get("received")
    added = {
        "received": fields["timestamp"] if received is None else received,
        "nonce": secrets.randbits(64),
    }
    return from_names(EnrichedEvent, {**fields, **added})


def _row(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose arrays are tuples again; JSON has them as lists."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _dump(value: object) -> str:
    return json.dumps(value, default=_encode)


def _load(text: str) -> Any:
    return json.loads(text, object_hook=_decode)


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(type(value).__name__)


def _decode(fields: dict[str, Any]) -> object:
    if fields.keys() == {"decimal"} and isinstance(fields["decimal"], str):
        return Decimal(fields["decimal"])
    return fields
