"""The limits that SECURITY.md names are those of the code."""

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from actors.observation.broadcast import FOLLOWERS
from actors.pipeline.front_half import FRONT_REQUESTS
from actors.stores.statement import QUERY_LENGTH
from ingest.enrichment.user_agent import MAX_LENGTH
from ingest.fold.fold import PAST_SESSIONS
from ingest.http.asgi_request import BODY_SECONDS
from ingest.http.base_app import QUERY_STRING_BYTES
from ingest.http.batch_endpoint import AT_A_TIME, SMALL, TURN_SECONDS
from ingest.http.body_budget import BODIES_BYTES, PART_BYTES, SMALL_PARTS
from ingest.http.event_endpoint import ROOM_SECONDS
from ingest.http.fast_path.event_request import BODY_BYTES
from ingest.http.flood import MAX_ADDRESSES
from ingest.http.hypercorn.connection import (
    CLOSING_SECONDS,
    IDLE_SECONDS,
    READ_SECONDS,
    WRITE_SECONDS,
)
from ingest.http.hypercorn.open_connections import CONNECTIONS, RESERVED_FILES
from ingest.http.hypercorn.protocol import HEAD_BYTES, HEADERS
from ingest.http.validation import VALIDATED_BYTES
from ingest.records.drop_counter import MAX_KEYS
from ingest.request import form
from ingest.request.batch import BATCH_BYTES, COUNTED, ITEMS_LIMIT
from ingest.request.body import BODY_LIMIT, parse_body
from ingest.request.client_address import MAX_ADDRESS_LENGTH, MAX_PROXIES, PEERS
from ingest.request.compression import PARTS_LIMIT
from ingest.request.field_values import DOMAINS_LIMIT, NAME_LENGTH, REFERRER_LENGTH
from ingest.request.invalid import InvalidRequest
from ingest.request.json_text import BRACKETS_LIMIT, COMMAS_LIMIT, STRINGS_LIMIT
from ingest.request.props import KEY_BYTES, PROPS_LIMIT, VALUE_BYTES
from ingest.request.url import URL_BYTES
from ingest.server.open_files import WANTED_FILES
from ingest.sessions.salts import LIFETIME

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text()

JSON_LEVELS = 200
JSON_DIGITS = 4300
"""What the JSON parser allows."""

LIMITS: dict[str, tuple[float, ...]] = {
    "connections": (CONNECTIONS, WANTED_FILES, RESERVED_FILES),
    "connections of one address that is no trusted proxy's": (),
    "time to send a request's head; idle time between requests": (IDLE_SECONDS,),
    "time to send a body": (BODY_SECONDS,),
    "time to read an answer": (WRITE_SECONDS,),
    "time to close the connection after the last answer": (CLOSING_SECONDS,),
    "request's head": (HEAD_BYTES / 1024, HEADERS),
    "body": (BODY_LIMIT,),
    "JSON": (JSON_LEVELS, JSON_DIGITS, BRACKETS_LIMIT, STRINGS_LIMIT, COMMAS_LIMIT),
    "form": (
        *(form.FIELDS_LIMIT, form.URLENCODED_BYTES, form.ESCAPES_LIMIT),
        *(form.BOUNDARY_BYTES, form.HEAD_BYTES, form.PARAMETERS_LIMIT),
    ),
    "batch of events": (
        *(BATCH_BYTES, PARTS_LIMIT, ITEMS_LIMIT, COUNTED[b","], COUNTED[b"["]),
        *(AT_A_TIME, SMALL, TURN_SECONDS),
    ),
    "event of a batch": (),
    "page's address": (URL_BYTES,),
    "event's name": (NAME_LENGTH,),
    "referrer": (REFERRER_LENGTH,),
    "properties": (PROPS_LIMIT, KEY_BYTES, VALUE_BYTES),
    "domains of one request": (DOMAINS_LIMIT,),
    "user agent": (MAX_LENGTH,),
    "forwarded address": (MAX_ADDRESS_LENGTH, MAX_PROXIES),
    "requests in the pipeline's entrance": (FRONT_REQUESTS, ROOM_SECONDS),
    "parts of a body, such as chunks": (SMALL_PARTS, PART_BYTES),
    "parameters of the operator's routes": (QUERY_STRING_BYTES,),
    "event that the operator validates": (VALIDATED_BYTES,),
    "operator's query": (QUERY_LENGTH,),
    "total size of bodies being received, except those of up to 64 KiB that "
    "arrive within a second, and those of 2 batches": (BODIES_BYTES / 1_000_000,),
    "open visits of past events": (PAST_SESSIONS,),
    "counters waiting for the store": (MAX_KEYS,),
    "one address's events per minute": (),
}
"""The numbers in the second column, in their order, by the first column."""


def rows() -> dict[str, str]:
    """The second column of the table of limits, by the first."""
    table = PAGE.partition("| what | limit | beyond it |\n|---|---|---|\n")[2].partition("\n\n")[0]
    cells = (line.strip("| ").split(" | ") for line in table.splitlines())
    return {what: limit for what, limit, _ in cells}


def test_each_limit_has_its_constants() -> None:
    assert list(rows()) == list(LIMITS)


@pytest.mark.parametrize("what", LIMITS)
def test_limits(what: str) -> None:
    numbers = re.findall(r"(?<![\w%])[0-9][0-9,]*", rows()[what])
    assert [float(number.replace(",", "")) for number in numbers] == list(LIMITS[what])


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        (b'{"a":' * JSON_LEVELS + b"1" + b"}" * JSON_LEVELS, True),
        (b'{"a":' * (JSON_LEVELS + 1) + b"1" + b"}" * (JSON_LEVELS + 1), False),
        (b'{"a":%b}' % (b"1" * JSON_DIGITS), True),
        (b'{"a":%b}' % (b"1" * (JSON_DIGITS + 1)), False),
    ],
    ids=["deep", "too deep", "long", "too long"],
)
def test_limits_of_the_json_parser(body: bytes, parsed: bool) -> None:
    refused: AbstractContextManager[object] = (
        nullcontext() if parsed else pytest.raises(InvalidRequest)
    )
    with refused:
        parse_body("application/json", body)


@pytest.mark.parametrize(
    "text",
    [
        f"up to {BODY_BYTES // 1024} KiB that arrive",
        f"Up to {MAX_ADDRESSES:,} addresses are remembered",
        f"At most {FOLLOWERS} clients can follow events",
        f"the last {PEERS:,} peers",
        f"at most {LIFETIME // 3600} hours after",
    ],
)
def test_text(text: str) -> None:
    assert text in " ".join(PAGE.split())


def test_a_silent_request_has_as_much_time_as_an_idle_connection() -> None:
    assert READ_SECONDS == IDLE_SECONDS
