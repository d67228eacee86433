"""The schema of the sites file, and the messages for its mistakes."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from ingest.model.iso_codes import COUNTRIES, CURRENCIES
from ingest.sites.shields import (
    MAX_COUNTRY_RULES,
    MAX_HOSTNAME_RULES,
    MAX_IP_RULES,
    MAX_PAGE_RULES,
    MAX_PATTERN_LENGTH,
    parse_network,
)
from ingest.sites.site import MAX_SITE_ID, domain_problem
from ingest.sites.time_zone import time_zone_problem
from ingest.sites.toml_lines import KeyPath

MAX_EVENT_NAME_LENGTH: Final = 120
"""Maximum length of an event's name; longer ones are refused (spec/ingestion.md §3)."""

_SCRIPT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LEAST_RATE: Final = Decimal("1e-9")
_GREATEST_RATE: Final = Decimal("1e12")
_SHOWN_LENGTH: Final = 60


def show(value: object) -> str:
    """Format a value as TOML on one line; shorten long values, and only name tables."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() <= 256 else "a number of more than 256 bits"
        case str():
            cut = value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "…"
            return json.dumps(cut, ensure_ascii=not cut.isprintable())
        case datetime() | date():
            return value.isoformat()
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return str(value)[:_SHOWN_LENGTH]


def _expected(what: str) -> WrapValidator:
    """Report any error of a value as one sentence."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise _mistake(what, value) from None

    return WrapValidator(validate)


def _text(problem: Callable[[str], str | None], what: str) -> WrapValidator:
    """Accept a string for which `problem` returns None; otherwise it returns what was expected."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> str:
        if not isinstance(value, str):
            raise _mistake(what, value)
        expected = problem(value)
        if expected is not None:
            raise _mistake(expected, value)
        return value

    return WrapValidator(validate)


def _mistake(expected: str, value: object) -> PydanticCustomError:
    message = f"expected {expected}, got {show(value)}"
    return PydanticCustomError("mistake", "{message}", {"message": message})


def _network_problem(text: str) -> str | None:
    try:
        parse_network(text)
    except ValueError as error:
        return str(error)
    return None


def _country_problem(code: str) -> str | None:
    return _code_problem(code, COUNTRIES, "an ISO 3166-1 alpha-2 code, or ZZ for unknown")


def _currency_problem(code: str) -> str | None:
    return _code_problem(code, CURRENCIES, "an ISO 4217 currency code")


def _code_problem(code: str, codes: frozenset[str], what: str) -> str | None:
    if code in codes:
        return None
    return f"{what} ({code.upper()}?)" if code.upper() in codes else what


def _page_problem(pattern: str) -> str | None:
    if not pattern.startswith("/"):
        return "a pattern that starts with /"
    return _length_problem(pattern)


def _hostname_problem(pattern: str) -> str | None:
    if not pattern.strip():
        return 'a hostname such as example.com or "*.example.com"'
    if pattern.startswith("www."):
        return f'the hostname without "www.": "{pattern.removeprefix("www.")}"'
    return _length_problem(pattern)


def _length_problem(pattern: str) -> str | None:
    too_long = len(pattern) > MAX_PATTERN_LENGTH
    return f"a pattern of at most {MAX_PATTERN_LENGTH} characters" if too_long else None


def _event_problem(name: str) -> str | None:
    if not name.strip() or len(name) > MAX_EVENT_NAME_LENGTH:
        return f"an event name of 1 to {MAX_EVENT_NAME_LENGTH} characters"
    return None


def _script_id_problem(script_id: str) -> str | None:
    if _SCRIPT_ID.fullmatch(script_id):
        return None
    return "1 to 64 letters, digits, _ and -: what is between pa- and .js in the page"


_Id = Annotated[
    int, Field(ge=1, le=MAX_SITE_ID), _expected(f"a whole number from 1 to {MAX_SITE_ID}")
]
_Domain = Annotated[str, _text(domain_problem, "a domain in quotes")]
_Count = Annotated[int, Field(ge=0), _expected("a whole number, 0 or more")]
_Seconds = Annotated[int, Field(ge=1), _expected("a whole number of seconds, 1 or more")]
_Day = Annotated[date, _expected("a date without quotes, such as 2027-01-01")]
_Flag = Annotated[bool, _expected("true or false")]
_Network = Annotated[str, _text(_network_problem, "an address or network in quotes")]
_Country = Annotated[str, _text(_country_problem, "a country code in quotes")]
_Page = Annotated[str, _text(_page_problem, "a pattern in quotes")]
_Hostname = Annotated[str, _text(_hostname_problem, "a hostname in quotes")]
_Event = Annotated[str, _text(_event_problem, "an event name in quotes")]
_ScriptId = Annotated[str, _text(_script_id_problem, "a script's id in quotes")]
_Currency = Annotated[str, _text(_currency_problem, "a currency code in quotes")]


def _rate(value: object, handler: ValidatorFunctionWrapHandler) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        rate = Decimal(value)
        if rate.is_finite() and _LEAST_RATE <= rate <= _GREATEST_RATE:
            return rate
    raise _mistake("units per US dollar, a number greater than 0", value)


_TimeZone = Annotated[str, _text(time_zone_problem, "a time zone in quotes")]
_Rate = Annotated[Decimal, WrapValidator(_rate)]


MIN_SERVER_KEY: Final = 16
"""Minimum number of characters in a server key."""

_KEY: Final = re.compile(rf"[!-~]{{{MIN_SERVER_KEY},}}")


def _server_key(value: object, _: Any) -> str:
    if isinstance(value, str) and _KEY.fullmatch(value):
        return value
    # Do not show the value, since an invalid secret is still a secret.
    raise _mistake(f"at least {MIN_SERVER_KEY} ASCII characters without spaces", "something else")


_ServerKey = Annotated[str, WrapValidator(_server_key)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RateLimitModel(_Table):
    """The table `rate_limit`."""

    events: _Count
    seconds: _Seconds


class ShieldsModel(_Table):
    """The table `[site.shields]`."""

    ips: Annotated[list[_Network], Field(max_length=MAX_IP_RULES)] = []
    countries: Annotated[list[_Country], Field(max_length=MAX_COUNTRY_RULES)] = []
    pages: Annotated[list[_Page], Field(max_length=MAX_PAGE_RULES)] = []
    hostnames: Annotated[list[_Hostname], Field(max_length=MAX_HOSTNAME_RULES)] = []


OUTDATED_KEY: Final = "allow_server_clients"
"""A deprecated key of a site, the opposite of `drop_server_clients`. The default was false."""

SHIELD_LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {"ip": "ips", "country": "countries", "page": "pages", "hostname": "hostnames"}
)
"""The keys of `[site.shields]`, by the name of a single rule."""


class RevenueGoalModel(_Table):
    """The table `[[site.revenue_goals]]`."""

    event: _Event
    currency: _Currency


class ScriptModel(_Table):
    """The table `[site.script]`."""

    id: _ScriptId
    outbound_links: _Flag = False
    file_downloads: _Flag = False
    form_submissions: _Flag = False
    hash_based_routing: _Flag = False


class SiteModel(_Table):
    """The table `[[site]]`. `allow_server_clients` is deprecated; use `drop_server_clients`."""

    id: _Id
    domain: _Domain
    previous_domain: _Domain | None = None
    rate_limit: RateLimitModel | None = None
    accept_traffic_until: _Day | None = None
    drop_server_clients: _Flag = False
    allow_server_clients: _Flag | None = None
    server_key: _ServerKey | None = None
    timezone: _TimeZone | None = None
    script: ScriptModel | None = None
    shields: ShieldsModel = ShieldsModel()
    revenue_goals: list[RevenueGoalModel] = []


class SitesModel(_Table):
    """The whole file."""

    site: list[SiteModel] = []
    exchange_rates: dict[_Currency, _Rate] = {}


_TABLES: Final[dict[KeyPath, type[_Table]]] = {
    (): SitesModel,
    ("site",): SiteModel,
    ("site", "rate_limit"): RateLimitModel,
    ("site", "script"): ScriptModel,
    ("site", "shields"): ShieldsModel,
    ("site", "revenue_goals"): RevenueGoalModel,
}


def problem_of_rule(kind: str, rule: str) -> str | None:
    """Return why a rule is invalid; None if it is valid.

    Args:
        kind: A key of `SHIELD_LISTS`.
        rule: An entry of that list.
    """
    return _problem_of_entry(ShieldsModel, {SHIELD_LISTS[kind]: [rule]})


def problem_of_script(script_id: str) -> str | None:
    """Return why the id of a script is invalid; None if it is valid."""
    return _problem_of_entry(ScriptModel, {"id": script_id})


def problem_of_goal(event: str, currency: str) -> str | None:
    """Return why a revenue goal is invalid; None if it is valid."""
    return _problem_of_entry(RevenueGoalModel, {"event": event, "currency": currency})


def _problem_of_entry(model: type[_Table], entry: object) -> str | None:
    try:
        model.model_validate(entry)
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return None


_ARRAYS_OF_TABLES: Final[frozenset[KeyPath]] = frozenset({("site",), ("site", "revenue_goals")})


def explain(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Yield the key of each mistake, and what was expected there."""
    for details in error.errors(include_url=False):
        path = tuple(part for part in details["loc"] if part != "[key]")
        names = tuple(part for part in path if isinstance(part, str))
        found = show(details["input"])
        match details["type"]:
            case "extra_forbidden":
                problem = _unknown_key(names)
            case "missing":
                problem = "expected this key, got none"
            case "too_long":
                problem = (
                    f"expected at most {details['ctx']['max_length']} entries, "
                    f"got {details['ctx']['actual_length']}"
                )
            case "list_type" if names in _ARRAYS_OF_TABLES:
                problem = f"expected tables under [[{'.'.join(names)}]], got {found}"
            case "list_type":
                problem = f"expected an array of strings, got {found}"
            case "mistake":
                problem = details["msg"]
            case _:
                problem = f"expected a table, got {found}"
        yield path, problem


def _unknown_key(names: tuple[str, ...]) -> str:
    known = sorted(_TABLES[names[:-1]].model_fields.keys() - {OUTDATED_KEY})
    close = difflib.get_close_matches(names[-1], known, n=1)
    if close:
        return f"unknown key, expected {close[0]} perhaps"
    return f"unknown key, expected one of {', '.join(known)}"
