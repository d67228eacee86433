"""Many events in one body, for servers that send past events or events on behalf of visitors.

An item has the fields of a single event, and optionally `timestamp`, `ip` and `user_agent`, which
only senders with a key may set.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from ingest.model.event import EventRequest
from ingest.request.body import BODY_LIMIT, media_type
from ingest.request.invalid import InvalidRequest
from ingest.request.json_text import read_json
from ingest.request.parse import parse_event

ITEMS_LIMIT: Final = 5_000
BATCH_BYTES: Final = 8_000_000
"""After decompression."""

COUNTED: Final = {b",": 500_000, b"[": 100_000, b"{": 100_000}
"""How often a batch may have these characters: a hundred commas and twenty brackets of each kind
for each possible event. Finding the items among millions of tiny values would block the event
loop for tens of milliseconds."""

USER_AGENT_LENGTH: Final = 2_000

RECENT_SECONDS: Final = 1800
"""Maximum age of an event that counts as live: its sender has only collected a few events."""

NDJSON: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
"""Types of bodies with an event a line; others are told by how they begin."""

Item = bytes | msgspec.Raw
"""The JSON text of an event."""

_FEW: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MANY: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "Items",
        [
            (f"item_{number}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET)
            for number in range(ITEMS_LIMIT + 1)
        ],
        array_like=True,
    )
)
"""Reads no more items than its fields, and passes over the others, which a list would hold."""

FEW_BYTES: Final = 65_536
"""Bytes of an array that cannot have so many items that a list of them takes long."""

_NOT_A_BATCH: Final = "Unable to parse request body as a JSON array or JSON lines"

_TRUSTED: Final = ("timestamp", "ip", "user_agent")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a batch.

    Attributes:
        received: When, Unix seconds.
        oldest: Unix seconds of the earliest event that is taken.
        client_ip: Address of the sender, for items without one.
        user_agent: The sender's, for items without one.
        ip_type: What a trusted proxy says of the sender's address.
        may_set: Whether the sender has shown a key for a domain.
    """

    received: int
    oldest: int
    client_ip: str
    user_agent: str | None
    ip_type: str | None
    may_set: Callable[[str], bool]


def check_count(body: bytes, character: bytes) -> None:
    """Check how often a batch has one of the characters that are `COUNTED`.

    Counting in the largest batch takes some milliseconds.

    Raises:
        InvalidRequest: Too often.
    """
    limit = COUNTED[character]
    if body.count(character) > limit:
        raise _refusal(f"has the character {character.decode()} more than {limit} times")


def split_batch(content_type: str | None, body: bytes) -> Sequence[Item]:
    """The items of a body, not read yet: of a JSON array, or of lines.

    A line, or an item of an array, that is not JSON by `read_json` does not affect the others.

    Args:
        content_type: The header; None when absent.
        body: At most `BATCH_BYTES`, with no more characters than `COUNTED` allows.

    Raises:
        InvalidRequest: It is neither, or has no item or too many.
    """
    items: Sequence[Item]
    body = body.lstrip()
    if media_type(content_type) in NDJSON or not body.startswith(b"["):
        lines = body.split(b"\n", ITEMS_LIMIT + 1)
        items = [line for line in lines if line and not line.isspace()]
        if len(items) == 1 and len(items[0]) <= BODY_LIMIT and _value(items[0]) is None:
            raise _refusal(_NOT_A_BATCH)
    else:
        try:
            items = _items_of(body)
        except (ValueError, RecursionError):
            raise _refusal(_NOT_A_BATCH) from None
    if not items:
        raise _refusal("has no events")
    if len(items) > ITEMS_LIMIT:
        raise _refusal(f"has more than {ITEMS_LIMIT} events")
    return items


def _items_of(body: bytes) -> Sequence[Item]:
    """The items of a JSON array, up to one more than are allowed.

    Raises:
        ValueError: It is no JSON array.
        RecursionError: It is nested too deeply.
    """
    if len(body) < FEW_BYTES:
        return _FEW.decode(body)
    return [item for item in astuple(_MANY.decode(body)) if item is not msgspec.UNSET]


def read_item(item: Item, sender: Sender) -> EventRequest:
    """Read and validate one item.

    Raises:
        InvalidRequest: With every mistake found.
    """
    if len(item) > BODY_LIMIT:
        raise InvalidRequest({"event": [f"must be at most {BODY_LIMIT} bytes"]})
    fields = _value(item)
    if not isinstance(fields, dict):
        raise InvalidRequest({"event": ["expected a JSON object"]})
    return read_event(fields, sender)


def read_event(item: dict[str, Any], sender: Sender) -> EventRequest:
    """Validate the fields of one item.

    Raises:
        InvalidRequest: With every mistake found.
    """
    moment, address, agent = item.get("timestamp"), item.get("ip"), item.get("user_agent")
    timestamp, client_ip, user_agent = sender.received, sender.client_ip, sender.user_agent
    errors: dict[str, list[str]] = {}
    if moment is not None:
        try:
            timestamp = _timestamp(moment, sender)
        except ValueError as error:
            errors["timestamp"] = [str(error)]
    if address is not None:
        try:
            client_ip = _address(address)
        except ValueError:
            errors["ip"] = ["expected an IPv4 or IPv6 address"]
    if agent is not None:
        user_agent = agent
        if not isinstance(agent, str) or len(agent) > USER_AGENT_LENGTH:
            errors["user_agent"] = [f"expected text of at most {USER_AGENT_LENGTH} characters"]
    try:
        request = parse_event(
            item,
            timestamp=timestamp,
            client_ip=client_ip,
            user_agent=user_agent if isinstance(user_agent, str) else None,
            ip_type=sender.ip_type if address is None else None,
            received=sender.received if timestamp < sender.received - RECENT_SECONDS else None,
        )
    except InvalidRequest as invalid:
        raise InvalidRequest({**invalid.errors, **errors}) from None
    is_plain = moment is None and address is None and agent is None
    if not (is_plain or all(map(sender.may_set, request.domains))):
        for key in _TRUSTED:
            if item.get(key) is not None:
                errors[key] = ["needs the admin token or the site's server key"]
    if errors:
        raise InvalidRequest(errors)
    return request


def _address(value: object) -> str:
    """An address in its canonical form.

    Raises:
        ValueError: It is none.
    """
    text = str(value)
    try:
        # The usual case, in a tenth of the time: what `inet_pton` takes for IPv4 is canonical.
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return str(ipaddress.ip_address(text))
    return text


def _timestamp(value: object, sender: Sender) -> int:
    """Unix seconds of a number of them, or of a time in ISO 8601 (UTC unless it says otherwise).

    Raises:
        ValueError: It is neither, or not in the time that is taken; the text says which.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("expected Unix seconds or a time in ISO 8601") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = int(value)
        except OverflowError:  # JSON's 1e400 is read as infinity
            raise ValueError("expected Unix seconds or a time in ISO 8601") from None
    else:
        raise ValueError("expected Unix seconds or a time in ISO 8601")
    if seconds > sender.received:
        raise ValueError("must not be in the future")
    if seconds < sender.oldest:
        raise ValueError("is longer ago than events are taken for")
    return seconds


def _value(item: Item) -> Any:
    try:
        return read_json(bytes(item))
    except ValueError:
        return None


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest({"request": [message]})
