"""The tables of sources, categories and spam that ship with the package (`data/README.md`)."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

COUNTRY: Final = "{}"
"""Placeholder for a country's or generic top-level domain in a host family (`google.{}`)."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceTables:
    """The names and categories of sources, of one age.

    Attributes:
        names: Canonical names, by lower-case name, alias or host.
        hosts: Names of sources, by host or host family.
        paths: For some hosts, prefixes of paths with a separate name, longest first.
        families: Names, by the suffix that all hosts of a source share.
        paid: Lower-case values of `utm_source` for advertisements.
        categories: Categories (`SEARCH`, `SOCIAL`, …), by lower-case source name.
    """

    names: Mapping[str, str]
    hosts: Mapping[str, str]
    paths: Mapping[str, tuple[tuple[str, str], ...]]
    families: Mapping[str, str]
    paid: frozenset[str]
    categories: Mapping[str, str]


@cache
def source_tables(*, older: bool = False) -> SourceTables:
    """Read the tables; the first call takes some milliseconds.

    Args:
        older: Whether to return the names and categories from before June 2026.
    """
    common: dict[str, Any] = json.loads(_text("source_aliases.json"))
    own: dict[str, Any] = common["older" if older else "newest"]
    families: dict[str, str] = common["suffix_families"] | own["suffix_families"]
    aliases: dict[str, str] = common["aliases"] | own["aliases"]
    aliases |= {name.lower(): name for name in (*aliases.values(), *families.values())}
    hosts: dict[str, str] = {}
    paths: dict[str, dict[str, str]] = {}
    known: dict[str, str] = {}
    for host, listed in (*_rows("source_hosts.csv"), *own["hosts"].items()):
        known[listed.lower()] = listed
        # A host keeps the list's spelling of its name, unless the name is an alias.
        name = aliases.get(listed.lower(), listed)
        host, slash, path = host.partition("/")
        if slash:
            paths.setdefault(host, {})[f"/{path}"] = name
        else:
            hosts[host] = name
    ours = {
        source: category
        for lists in (common["categories"], own["categories"])
        for category, sources in lists.items()
        for source in sources
    }
    return SourceTables(
        names=MappingProxyType(known | aliases),
        hosts=MappingProxyType(hosts),
        paths={
            host: tuple(sorted(entries.items(), reverse=True)) for host, entries in paths.items()
        },
        families=families,
        paid=frozenset(common["paid_sources"]),
        categories=ours | dict(_rows("source_categories.csv")),
    )


@cache
def spam_hosts() -> frozenset[str]:
    """Return the hosts of referrer spam."""
    return frozenset(_text("referrer_spammers.txt").split())


def _text(name: str) -> str:
    return (files("ingest.enrichment") / "data" / name).read_text("utf-8")


def _rows(name: str) -> Iterable[tuple[str, str]]:
    reader = csv.reader(_text(name).splitlines())
    next(reader)
    for key, value in reader:  # noqa: UP028 - pairs, not lists
        yield key, value
