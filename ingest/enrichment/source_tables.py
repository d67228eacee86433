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


@dataclass(frozen=True, slots=True)
class SourceTables:
    """The names and categories of sources.

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
def source_tables() -> SourceTables:
    """Read the tables; the first call takes some milliseconds."""
    aliases: dict[str, Any] = json.loads(_text("source_aliases.json"))
    hosts: dict[str, str] = {}
    paths: dict[str, dict[str, str]] = {}
    # Later entries take precedence: Sluice's additions over the published lists.
    for file in ("source_hosts.csv", "source_additions.csv"):
        for host, name in _rows(file):
            host, slash, path = host.partition("/")
            if slash:
                paths.setdefault(host, {})[f"/{path}"] = name
            else:
                hosts[host] = name
    path_names = [name for entries in paths.values() for name in entries.values()]
    names = {name.lower(): name for name in (*hosts.values(), *path_names)}
    names |= aliases["aliases"]
    names |= {name.lower(): name for name in aliases["aliases"].values()}
    return SourceTables(
        names=MappingProxyType(names),
        hosts=MappingProxyType(hosts),
        paths={
            host: tuple(sorted(entries.items(), reverse=True)) for host, entries in paths.items()
        },
        families=aliases["suffix_families"],
        paid=frozenset(aliases["paid_sources"]),
        categories=dict(_rows("source_categories.csv")),
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
