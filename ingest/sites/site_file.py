"""Reads the sites file: parses TOML to a registry, or reports all mistakes."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry, SiteScript
from ingest.sites.site_file_schema import OUTDATED_KEY, SiteModel, SitesModel, explain, show
from ingest.sites.toml_lines import KeyPath, key_lines

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_OUTSIZED: Final = re.compile(r"[0-9_]{4301}|[eE][+-]?[0-9_]{18}")
"""Numbers that Python cannot parse: too many digits, or an exponent too large for Decimal."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A mistake in a sites file.

    Attributes:
        line: The line, counted from 1.
        key: Dotted name of the invalid key; empty if the whole file cannot be read.
        problem: The expected and the actual content.
    """

    line: int
    key: str
    problem: str


class SitesFileError(ValueError):
    """A sites file is invalid. The message has one line per mistake, `file:line: key: problem`.

    Attributes:
        source: The file's name.
        mistakes: All mistakes, in the order of lines.
    """

    def __init__(self, source: str, mistakes: tuple[Mistake, ...]) -> None:
        self.source = source
        self.mistakes = mistakes
        super().__init__(
            "\n".join(
                ": ".join(filter(None, (f"{source}:{found.line}", found.key, found.problem)))
                for found in mistakes
            )
        )


def read_sites(path: Path) -> SiteRegistry:
    """Read a sites file from disk.

    Raises:
        SitesFileError: The file cannot be read, is not UTF-8, or has mistakes.
    """
    return parse_sites(read_sites_text(path), str(path))


def read_sites_text(path: Path) -> str:
    """Return the text of a sites file on disk.

    Raises:
        SitesFileError: The file cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
        if isinstance(error, FileNotFoundError):
            problem += "; `sluice init` makes a sites file"
        raise SitesFileError(str(path), (Mistake(1, "", problem),)) from error
    return decode_sites(content, str(path))


def decode_sites(content: bytes, source: str) -> str:
    """Decode the bytes of a sites file.

    Raises:
        SitesFileError: The bytes are not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"expected UTF-8 text, got the byte 0x{content[error.start]:02x}"
        raise SitesFileError(source, (Mistake(line, "", problem),)) from None


def parse_sites(text: str, source: str) -> SiteRegistry:
    """Parse the text of a sites file. An empty text gives a registry without sites.

    Args:
        text: TOML; a byte order mark is ignored.
        source: The file's name, for messages.

    Raises:
        SitesFileError: The text has mistakes. The error has all of them.
    """
    text = text.removeprefix("\ufeff")
    document, lines = _parse_toml(text, source)
    found = [*_duplicates(document), *_two_flags(document), *_dollar(document)]
    try:
        model = SitesModel.model_validate(document)
    except ValidationError as error:
        found.extend(explain(error))
        model = None
    if found or model is None:
        mistakes = {Mistake(_line(path, lines), _dotted(path), problem) for path, problem in found}
        raise SitesFileError(source, tuple(sorted(mistakes)))
    return SiteRegistry(map(_site, model.site), model.exchange_rates)


def outdated_keys(text: str, source: str) -> Iterator[Mistake]:
    """Find deprecated keys, and say what to write instead.

    Args:
        text: A file without mistakes.
        source: The file's name, for messages.

    Raises:
        SitesFileError: The text is not TOML.
    """
    document, lines = _parse_toml(text.removeprefix("\ufeff"), source)
    for index, site in enumerate(document.get("site", ())):
        if OUTDATED_KEY in site:
            path = ("site", index, OUTDATED_KEY)
            instead = (
                "remove it, HTTP libraries are accepted by default"
                if site[OUTDATED_KEY]
                else "write drop_server_clients = true instead"
            )
            yield Mistake(_line(path, lines), _dotted(path), instead)


def _parse_toml(text: str, source: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    try:
        # Decimal keeps exchange rates exact.
        return tomllib.loads(text, parse_float=Decimal), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        position = _POSITION.search(reason)
        line = int(position[1]) if position and position[1] else text.count("\n") + 1
        problem = f"expected valid TOML: {reason}"
    except (ValueError, ArithmeticError):
        outsized = _OUTSIZED.search(text)
        line = text.count("\n", 0, outsized.start()) + 1 if outsized else 1
        problem = "expected numbers of fewer digits"
    except RecursionError:
        line, problem = 1, "expected valid TOML: arrays or tables are nested too deeply"
    raise SitesFileError(source, (Mistake(line, "", problem),))


def _duplicates(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Find duplicates of unique values, in the raw tables, so that none is missed."""
    sites = document.get("site")
    first: dict[tuple[str, object], str] = {}
    for index, site in enumerate(sites if isinstance(sites, list) else ()):
        if not isinstance(site, dict):
            continue
        for key, kind in (("id", "id"), ("domain", "domain"), ("previous_domain", "domain")):
            value = site.get(key)
            if not isinstance(value, int if kind == "id" else str) or isinstance(value, bool):
                continue
            owner = first.setdefault((kind, value), f"{key} of site {index + 1}")
            if owner != f"{key} of site {index + 1}":
                yield (
                    ("site", index, key),
                    f"expected a value of its own, got {show(value)}, the {owner}",
                )
        yield from _duplicate_script(index, site, first)
        yield from _duplicate_goals(index, site)


def _duplicate_script(
    index: int, site: Mapping[str, Any], first: dict[tuple[str, object], str]
) -> Iterator[tuple[KeyPath, str]]:
    script = site.get("script")
    script_id = script.get("id") if isinstance(script, dict) else None
    if isinstance(script_id, str):
        owner = first.setdefault(("script", script_id), f"site {index + 1}")
        if owner != f"site {index + 1}":
            path = ("site", index, "script", "id")
            yield path, f"expected a value of its own, got {show(script_id)}, the script of {owner}"


def _duplicate_goals(index: int, site: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    goals = site.get("revenue_goals")
    events: set[str] = set()
    for position, goal in enumerate(goals if isinstance(goals, list) else ()):
        event = goal.get("event") if isinstance(goal, dict) else None
        if not isinstance(event, str):
            continue
        if event in events:
            path = ("site", index, "revenue_goals", position, "event")
            yield path, f"expected one goal per event, got a second one for {show(event)}"
        events.add(event)


def _two_flags(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    sites = document.get("site")
    for index, site in enumerate(sites if isinstance(sites, list) else ()):
        if isinstance(site, dict) and {OUTDATED_KEY, "drop_server_clients"} <= site.keys():
            yield ("site", index, OUTDATED_KEY), "expected drop_server_clients alone, got both"


def _dollar(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    rates = document.get("exchange_rates")
    dollar = rates.get("USD", 1) if isinstance(rates, dict) else 1
    if isinstance(dollar, int | Decimal) and dollar != 1:
        yield ("exchange_rates", "USD"), f"expected 1 US dollar per US dollar, got {show(dollar)}"


def _line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """Return the line of a key, or of the nearest enclosing table in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _dotted(path: KeyPath) -> str:
    """Return the key as a dotted TOML key, without positions in arrays."""
    return ".".join(
        part if _BARE_KEY.fullmatch(part) else show(part) for part in path if isinstance(part, str)
    )


def _site(model: SiteModel) -> Site:
    limit, shields, script = model.rate_limit, model.shields, model.script
    return Site(
        id=model.id,
        domain=model.domain,
        previous_domain=model.previous_domain,
        rate_limit=None if limit is None else RateLimit(limit.events, limit.seconds),
        accept_traffic_until=model.accept_traffic_until,
        drop_server_clients=model.drop_server_clients or model.allow_server_clients is False,
        server_key=model.server_key,
        timezone=model.timezone,
        script=None if script is None else SiteScript(**script.model_dump()),
        shields=Shields(
            ips=tuple(shields.ips),
            countries=tuple(shields.countries),
            pages=tuple(shields.pages),
            hostnames=tuple(shields.hostnames),
        ),
        revenue_goals={goal.event: goal.currency for goal in model.revenue_goals},
    )
