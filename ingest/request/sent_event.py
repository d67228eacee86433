"""An event's values as a client sent them: by the keys of trackers, or by their aliases."""

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ingest.request.json_text import BRACKETS_LIMIT

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "event_name": ("n", "name"),
    "url": ("u", "url"),
    "domains": ("d", "domain"),
    "referrer": ("r", "referrer"),
    "hash_mode": ("h", "hashMode"),
    "props": ("m", "meta", "p", "props"),
    "revenue": ("revenue", "$"),
    "tracker_version": ("v",),
    "scroll_depth": ("sd",),
    "engagement_time": ("e",),
}
"""The keys of each field, in the order in which they are tried (spec/ingestion.md §2)."""

INTERACTIVE_KEYS: Final = ("i", "interactive")

_TRACKER_KEYS: Final = {field: keys[0] for field, keys in ALIASES.items()} | {
    "props": "p",
    "revenue": "$",
    "interactive": "i",
    "screen_width": "w",
}
"""The key under which trackers send each field."""

if TYPE_CHECKING:
    Scalar: TypeAlias = Any
    Object: TypeAlias = Any
else:
    Scalar = str | int | bool | None
    Object = Scalar | dict[str, Scalar]


class SentEvent(
    msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename=_TRACKER_KEYS
):
    """The value of each field, in the order of `ALIASES`; `None` and `False` if there is none.

    `decode` reads values of these types only; `select` takes any. The screen's width, which some
    trackers send, means nothing.
    """

    event_name: Scalar = None
    url: Scalar = None
    domains: Scalar = None
    referrer: Scalar = None
    hash_mode: Scalar = None
    props: Object = None
    revenue: Object = None
    tracker_version: Scalar = None
    scroll_depth: Scalar = None
    engagement_time: Scalar = None
    interactive: Scalar = None
    screen_width: Scalar = None


_DECODER: Final = msgspec.json.Decoder(SentEvent)
_QUOTE: Final = ord('"')


def decode(body: bytes) -> SentEvent | None:
    """Decode a JSON object as `read_json` does, if it is what trackers send.

    msgspec takes half as long, and makes no dictionary. It reads texts, integers and booleans in
    the same way, but neither numbers with a fraction nor everything that is nested.

    Returns:
        None for a long text, for other keys and values, and for what is no JSON.
    """
    # Trackers begin with a key of one letter. Looking costs less than an exception.
    if not 5 < len(body) <= BRACKETS_LIMIT or body[3] != _QUOTE:
        return None
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def select(params: dict[str, Any]) -> SentEvent:
    """Select the value of each field: the first that is neither absent, `null` nor `false`.

    Args:
        params: By the keys of the wire. Those that mean nothing are ignored.
    """
    get = params.get
    values = []
    for keys in ALIASES.values():
        for key in keys:
            value = get(key)
            if value is not None and value is not False:
                break
        values.append(value)
    interactive = get("i")
    if not isinstance(interactive, bool):
        interactive = get("interactive")
    values.append(interactive)
    return SentEvent(*values)
