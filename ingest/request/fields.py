"""The fields of an event on the wire: their names, types, limits and messages."""

import re
from typing import Annotated, Any, Final

import msgspec
import regex
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ingest.model.event import ENGAGEMENT
from ingest.model.url import clean_host
from ingest.request.url import URL_BYTES, parse_url

NAME_LENGTH: Final = 120
REFERRER_LENGTH: Final = 2000
"""Both in grapheme clusters."""

DOMAINS_LIMIT: Final = 100
"""Maximum number of domains of one request. Plausible has no limit, so one request may cause up to
500,000 look-ups there; real pages name only a few sites."""

UNKNOWN_SCROLL_DEPTH: Final = 255
LONGEST_ENGAGEMENT: Final = 30 * 24 * 3600 * 1000
"""Milliseconds."""

SYSTEM_EVENTS: Final = frozenset(
    {
        "pageview",
        ENGAGEMENT,
        "Outbound Link: Click",
        "Cloaked Link: Click",
        "File Download",
        "404",
        "WP Form Completions",
        "Form: Submission",
    }
)
"""Events that are interactive whatever the client says (spec/ingestion.md §6)."""

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

_PLACES: Final = {
    key: (field, rank) for field, keys in ALIASES.items() for rank, key in enumerate(keys)
}
"""The field of each key, and when it is tried."""

INTERACTIVE_KEYS: Final = ("i", "interactive")

_LARGEST_VERSION: Final = 65_535
"""The column is UInt16."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_LARGEST_BITS: Final = 400
"""More than any number of `NAME_LENGTH` digits has: longer ones are not written out."""

_TOO_LONG: Final = "9" * (NAME_LENGTH + 1)
_WINDOW: Final = 256
"""Code points in which clusters are looked for at a time: to find where one ends, `regex` goes back
to the beginning of a run of flags, for each flag anew."""


def _event_name(value: object) -> str:
    if not isinstance(value, str):
        value = _number_as_name(value)
    if not value.strip():
        raise PydanticCustomError("blank", "can't be blank")
    if len(value) > NAME_LENGTH and len(first_graphemes(value, NAME_LENGTH)) < len(value):
        raise PydanticCustomError("length", "should be at most 120 character(s)")
    return value


def _number_as_name(value: object) -> str:
    if value is None:
        raise PydanticCustomError("blank", "can't be blank")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= _LARGEST_BITS else _TOO_LONG
    raise PydanticCustomError("type", "is invalid")


def _url(value: object) -> str:
    if value is None:
        raise PydanticCustomError("missing", "is required")
    if (
        not isinstance(value, str)
        or len(value) > URL_BYTES
        or not (value.isascii() or _within(value, URL_BYTES))
    ):
        raise PydanticCustomError("type", "must be a valid url")
    if parse_url(value).scheme == "data":
        raise PydanticCustomError("scheme", "scheme is not allowed")
    return value


def _domains(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, str):
        return None
    if not value.strip():
        raise PydanticCustomError("blank", "can't be blank")
    if value.count(",") >= DOMAINS_LIMIT:
        raise PydanticCustomError("length", "should have at most 100 item(s)")
    if "," not in value:
        return (clean_host(value),)
    return tuple(clean_host(part) for part in value.split(","))


def _referrer(value: object) -> str | None:
    if not isinstance(value, str) or len(value) <= REFERRER_LENGTH:
        return value if isinstance(value, str) else None
    return first_graphemes(value, REFERRER_LENGTH)


def _hash_mode(value: object) -> int:
    if value is None or value == "":
        return 0
    number = _integer(value)
    if number is None:
        raise PydanticCustomError("type", "is invalid")
    return number


def _tracker_version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), _LARGEST_VERSION)


def _scroll_depth(value: object) -> int:
    depth = _integer(value)
    return UNKNOWN_SCROLL_DEPTH if depth is None or depth < 0 else min(depth, 100)


def _engagement_time(value: object) -> int:
    time = _integer(value)
    return time if time is not None and 0 <= time < LONGEST_ENGAGEMENT else 0


def _integer(value: object) -> int | None:
    """The integer that a value is, or that a string wholly is."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


class Fields(msgspec.Struct, frozen=True, gc=False):
    """The validated fields; `EventFields` describes each of them."""

    event_name: str
    url: str
    domains: tuple[str, ...] | None
    referrer: str | None
    hash_mode: int
    props: Any
    revenue: Any
    interactive: bool
    tracker_version: int
    scroll_depth: int
    engagement_time: int


class EventFields(BaseModel):
    """The body of `POST /api/event`: an object with these keys; others are ignored.

    If a key is absent, `null` or `false`, its alias is used; an empty string is a value.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_name: Annotated[str, BeforeValidator(_event_name, json_schema_input_type=str | int)] = (
        Field(
            None,
            validate_default=True,
            description="Name of the event: `pageview`, `engagement` or any other, not blank, at "
            "most 120 characters (grapheme clusters). A number is taken as text.",
            examples=["pageview"],
        )
    )
    url: Annotated[str, BeforeValidator(_url, json_schema_input_type=str)] = Field(
        None,
        validate_default=True,
        description="Address of the page, at most 2000 bytes, of any scheme but `data`.",
        examples=["https://example.com/pricing?utm_source=newsletter"],
    )
    domains: Annotated[
        tuple[str, ...] | None, BeforeValidator(_domains, json_schema_input_type=str)
    ] = Field(
        None,
        description="Domain of the site, or several separated by commas, at most 100. Without it "
        "the address's host is taken.",
        examples=["example.com"],
    )
    referrer: Annotated[
        str | None, BeforeValidator(_referrer, json_schema_input_type=str | None)
    ] = Field(
        None,
        description="Address of the referring page; cut to 2000 characters.",
        examples=["https://news.ycombinator.com/"],
    )
    hash_mode: Annotated[int, BeforeValidator(_hash_mode, json_schema_input_type=int | str)] = (
        Field(0, description="1: the address's fragment belongs to the path.")
    )
    props: Annotated[Any, Field(json_schema_extra={"type": ["object", "string"]})] = Field(
        None,
        description="Custom properties: an object, or a string with one as JSON. Values are text, "
        "numbers or booleans; others are left out. At most 30 are kept; keys have at most 300 "
        "bytes, values 2000.",
        examples=[{"plan": "pro"}],
    )
    revenue: Annotated[Any, Field(json_schema_extra={"type": ["object", "string"]})] = Field(
        None,
        description="An object, or a string with one as JSON, that has `amount` and `currency` "
        "(ISO 4217); ignored unless the site has a revenue goal for the event.",
        examples=[{"amount": "10.20", "currency": "USD"}],
    )
    interactive: bool = Field(
        default=True,
        description="Whether the event shows that the visitor did something; only `false` of a "
        "custom event has an effect.",
    )
    tracker_version: Annotated[
        int, BeforeValidator(_tracker_version, json_schema_input_type=int)
    ] = Field(0, description="Version of the tracker.")
    scroll_depth: Annotated[
        int, BeforeValidator(_scroll_depth, json_schema_input_type=int | str)
    ] = Field(
        UNKNOWN_SCROLL_DEPTH,
        description="For `engagement`: how far the page was scrolled, in per cent.",
    )
    engagement_time: Annotated[
        int, BeforeValidator(_engagement_time, json_schema_input_type=int | str)
    ] = Field(
        0,
        description="For `engagement`: milliseconds in view, less than 30 days.",
    )


_STAND_INS: Final[dict[str, object]] = {
    "event_name": "?",
    "url": "",
    "domains": "?",
    "hash_mode": 0,
}
"""Stand-ins for invalid fields, so that the others can still be validated."""

_ERROR_KEYS: Final = {"domains": "domain"}


def read_fields(body: dict[str, Any]) -> tuple[Fields, dict[str, list[str]]]:
    """Select and validate the fields; reports all mistakes.

    Returns:
        The fields, with stand-ins for those that are wrong, and the messages by field
        (spec/ingestion.md §3).
    """
    chosen = _choose(body)
    try:
        return _check(chosen), {}
    except PydanticCustomError:
        return _look_for_mistakes(chosen)


def _choose(body: dict[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    place_of = _PLACES.get
    for key, value in body.items():
        place = place_of(key)
        if place is None or value is None or value is False:
            continue
        field, rank = place
        if field not in chosen or rank < ranks[field]:
            chosen[field] = value
            ranks[field] = rank
    for key in INTERACTIVE_KEYS:
        if key in body and isinstance(body[key], bool):
            chosen["interactive"] = body[key]
            break
    return chosen


def _check(chosen: dict[str, Any]) -> Fields:
    """Validate as the model does, which takes 7 µs longer: up to the first mistake.

    Raises:
        PydanticCustomError: The first mistake.
    """
    get = chosen.get
    return Fields(
        _event_name(get("event_name")),
        _url(get("url")),
        _domains(get("domains")),
        _referrer(chosen["referrer"]) if "referrer" in chosen else None,
        _hash_mode(chosen["hash_mode"]) if "hash_mode" in chosen else 0,
        get("props"),
        get("revenue"),
        get("interactive", True),
        _tracker_version(chosen["tracker_version"]) if "tracker_version" in chosen else 0,
        (
            _scroll_depth(chosen["scroll_depth"])
            if "scroll_depth" in chosen
            else UNKNOWN_SCROLL_DEPTH
        ),
        _engagement_time(chosen["engagement_time"]) if "engagement_time" in chosen else 0,
    )


def _look_for_mistakes(chosen: dict[str, Any]) -> tuple[Fields, dict[str, list[str]]]:
    """Validate with the model, which finds them all."""
    errors: dict[str, list[str]] = {}
    try:
        fields = EventFields.model_validate(chosen)
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(mistake["loc"][0])
            chosen[field] = _STAND_INS[field]
            errors.setdefault(_ERROR_KEYS.get(field, field), []).append(mistake["msg"])
        fields = EventFields.model_validate(chosen)
    return Fields(**dict(fields)), errors


def first_graphemes(text: str, limit: int) -> str:
    """The beginning of a text, cut after that many grapheme clusters (Unicode annex 29).

    Clusters can be long; a text is cut after 32 code points per cluster, too, so that the cost
    does not depend on the length.
    """
    head = text[: 32 * limit]
    end = count = 0
    size = _WINDOW
    while count < limit and end < len(head):
        ends = [cluster.end() for cluster in regex.finditer(r"\X", head[end : end + size])]
        if end + size < len(head):
            ends.pop()  # the last one may go on beyond the window
        if not ends:
            size *= 2
            continue
        ends = ends[: limit - count]
        count += len(ends)
        end += ends[-1]
        size = _WINDOW
    return head[:end]


def _within(text: str, limit: int) -> bool:
    return len(text.encode("utf-8", "surrogatepass")) <= limit
