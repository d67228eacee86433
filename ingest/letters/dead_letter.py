"""What could not be handled or stored, and why: the letter and its text form."""

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any

import msgspec
from msgspec.structs import replace

from ingest.model.event import EnrichedEvent, Event, Visitor
from ingest.rows.batch import Insert

VERSION = 1
"""Version of the text form."""

Content = Event | EnrichedEvent | Insert

_KINDS: dict[str, type[Content]] = {
    "event": Event,
    "enriched_event": EnrichedEvent,
    "rows": Insert,
}

_AS_THEY_ARE = (Decimal,)
"""What is written and read below, not by msgspec, which would make plain text of it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message or rows set aside.

    Attributes:
        id: Names it on the command line.
        kind: `event` (failed before its visitor was known), `enriched_event` (failed on its way to
            a session) or `rows` (not stored).
        actor: Which actor could not handle it.
        created_at: Unix seconds.
        error: What went wrong: the store's own message, or where an exception arose.
        content: What it was. An event's address is shortened and its visitor ids are worked out.
    """

    id: str
    kind: str
    actor: str
    created_at: int
    error: str
    content: Content

    def to_json(self) -> str:
        """The letter as one JSON object, ASCII only."""
        content = msgspec.to_builtins(self.content, builtin_types=_AS_THEY_ARE)
        return json.dumps(
            {
                "version": VERSION,
                "id": self.id,
                "kind": self.kind,
                "actor": self.actor,
                "created_at": self.created_at,
                "error": self.error,
                "content": content,
            },
            default=_encode,
        )

    @classmethod
    def from_json(cls, text: str) -> "DeadLetter":
        """Read a letter back.

        Raises:
            ValueError: The text is no letter of this version.
        """
        try:
            fields = json.loads(text, object_hook=_decode)
            if fields["version"] != VERSION:
                raise ValueError(f"version {fields['version']} of the letter is not known")
            content = msgspec.convert(
                fields["content"], _KINDS[fields["kind"]], builtin_types=_AS_THEY_ARE
            )
            if isinstance(content, Insert):
                content = replace(content, rows=tuple(map(_row, content.rows)))
            return cls(
                id=fields["id"],
                kind=fields["kind"],
                actor=fields["actor"],
                created_at=fields["created_at"],
                error=fields["error"],
                content=content,
            )
        except (KeyError, TypeError, msgspec.ValidationError, json.JSONDecodeError) as error:
            raise ValueError(f"not a dead letter: {type(error).__name__}") from None

    def summary(self) -> dict[str, object]:
        """What a list shows of it."""
        content = self.content
        about: dict[str, object] = (
            {"table": content.table, "rows": len(content.rows)}
            if isinstance(content, Insert)
            else {"domain": content.domain, "timestamp": content.timestamp}
        )
        return {
            "id": self.id,
            "kind": self.kind,
            "actor": self.actor,
            "created_at": self.created_at,
            "error": self.error,
            **about,
        }


def kind_of(content: Content) -> str:
    """The kind of a letter with that content."""
    if isinstance(content, Insert):
        return "rows"
    return "event" if isinstance(content, Event) else "enriched_event"


def redact(event: Event, identify: Callable[[], Visitor]) -> Event:
    """Make an event fit to be kept: without the visitor's address, but with the visitor's ids.

    The ids are worked out now, since the salts will be gone. The address is cut to its network
    (IPv4 /24, IPv6 /48), which still tells the country.
    """
    visitor = event.visitor
    if visitor is None:
        try:
            visitor = identify()
        except Exception:  # the ids may be the very thing that failed
            visitor = None
    request = replace(event.request, client_ip=network_of(event.request.client_ip))
    return replace(event, ticket=0, position=0, request=request, visitor=visitor)


def network_of(address: str) -> str:
    """The network that an address is in, as the text of its first address; empty for garbage."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, prefix), strict=False).network_address)


def describe(error: Exception | None) -> str:
    """Say what an exception was and where it arose, without its text, which may quote a visitor."""
    if error is None:
        return "the actor had stopped"
    place = innermost(error)
    where = "" if place is None else f" at {place.tb_frame.f_code.co_name}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"


def innermost(error: BaseException) -> TracebackType | None:
    """Where an exception arose; None when it was never raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


def _row(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose arrays, which JSON has as lists, are tuples again."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(type(value).__name__)


def _decode(fields: dict[str, Any]) -> object:
    if fields.keys() == {"decimal"} and isinstance(fields["decimal"], str):
        return Decimal(fields["decimal"])
    return fields
