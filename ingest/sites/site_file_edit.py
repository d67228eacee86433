"""Edits the text of a sites file. The rest of the text stays unchanged, including comments.

The result is parsed again before it is returned, and must have exactly the requested sites, so a
faulty edit never reaches the file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from ingest.sites.site import UNREGISTERED_IDS, Site, SiteRegistry
from ingest.sites.site_file import SitesFileError, parse_sites
from ingest.sites.site_text import changed_site_text, new_site_text
from ingest.sites.toml_edit import (
    append_section,
    end_of_line,
    literal,
    newline,
    set_value,
    start_of_line,
)
from ingest.sites.toml_lines import key_spans

_REMOVED: Final = re.compile(r"^# Site (\d+) \(.*\) was removed on .*$\n?", re.MULTILINE)


class EditError(ValueError):
    """An edit is refused, and nothing is changed. The message has a line for each reason."""


def put_sites(text: str, sites: Iterable[Site], source: str) -> str:
    """Write sites into a file. A site whose id exists is changed, others are added.

    Args:
        text: The file's text.
        sites: The new and changed sites; each id at most once.
        source: The file's name, for messages.

    Raises:
        SitesFileError: The file already has mistakes.
        EditError: The edited file would have mistakes.
    """
    registry = parse_sites(text, source)
    mark, parts = _split(text, registry)
    wanted = {site.id: site for site in registry}
    added: list[str] = []
    for site in sites:
        known = registry.by_id(site.id)
        wanted[site.id] = site
        if known is None:
            added.append(new_site_text(site, newline(text)))
        elif known != site:
            part = next(part for part in parts if part.site is known)
            part.text = changed_site_text(part.text, known, site)
    if added:
        _add(parts, added, newline(text))
    edited = "".join(part.text for part in parts)
    for site_id in wanted.keys() - {site.id for site in registry}:
        edited = re.sub(rf"^# Site {site_id} \(.*\) was removed on .*$\n?", "", edited, flags=re.M)
    return mark + _checked(edited, wanted, registry.exchange_rates, source)


def remove_site(text: str, site_id: int, day: date, source: str) -> str:
    """Remove a site from a file. A comment keeps its id, so that the id is not used again.

    The comments directly above the site and directly below its last key are removed as well.

    Args:
        text: The file's text.
        site_id: Id of an existing site.
        day: Today, for the comment.
        source: The file's name, for messages.

    Raises:
        SitesFileError: The file already has mistakes.
        EditError: There is no such site.
    """
    registry = parse_sites(text, source)
    site = registry.by_id(site_id)
    if site is None:
        raise EditError(f"no site has the id {site_id}")
    mark, parts = _split(text, registry)
    break_ = newline(text)
    index = next(index for index, part in enumerate(parts) if part.site is site)
    kept = _unattached(parts[index].text)
    note = (
        f"# Site {site.id} ({literal(site.domain)}) was removed on {day}; "
        f"its id is not given to another.{break_}"
    )
    before = "".join(part.text for part in parts[:index])
    after = kept.lstrip("\r\n") + "".join(part.text for part in parts[index + 1 :])
    # Add empty lines before and after the note, so that it is not a part of a neighbour.
    edited = _with_gap(before, break_) + note + (break_ + after.lstrip("\r\n") if after else "")
    wanted = {other.id: other for other in registry if other is not site}
    return mark + _checked(edited, wanted, registry.exchange_rates, source)


def put_exchange_rates(text: str, rates: Mapping[str, Decimal], source: str) -> str:
    """Write exchange rates into a file. Other currencies keep their rates.

    Args:
        text: The file's text.
        rates: Units per US dollar, by ISO 4217 code.
        source: The file's name, for messages.

    Raises:
        SitesFileError: The file already has mistakes.
        EditError: The edited file would have mistakes.
    """
    registry = parse_sites(text, source)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    edited = text.removeprefix(mark)
    if not any(path[0] == "exchange_rates" for path in key_spans(edited)):
        edited = append_section(edited, "[exchange_rates]")
    for currency, rate in rates.items():
        edited = set_value(edited, ("exchange_rates", currency), f"{rate:f}")
    wanted = {site.id: site for site in registry}
    return mark + _checked(edited, wanted, {**registry.exchange_rates, **rates}, source)


def next_site_id(text: str, registry: SiteRegistry) -> int:
    """Return an id for a new site, above the ids of all existing and removed sites.

    Ids of sites that were accepted without being registered are not counted (`unregistered_site_id`
    of `ingest.sites.site`): they come from a hash and are far above the others.
    """
    taken = {site.id for site in registry} | {int(found[1]) for found in _REMOVED.finditer(text)}
    return max((site_id for site_id in taken if site_id < UNREGISTERED_IDS), default=0) + 1


def removed_site_ids(text: str) -> frozenset[int]:
    """Return the ids of sites that were removed from the file. The store may still have rows."""
    return frozenset(int(found[1]) for found in _REMOVED.finditer(text))


@dataclass(slots=True)
class _TextPart:
    """A part of the file: one site with all its tables, or a text between sites."""

    text: str
    site: Site | None = None


def _split(text: str, registry: SiteRegistry) -> tuple[str, list[_TextPart]]:
    """Split the text into its byte order mark and parts, which joined are the rest of the text."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    cuts: list[tuple[int, Site | None]] = [(0, None)]
    index = -1
    for path, span in key_spans(text).items():
        if path == ("site",):
            # `site = []` is replaced by [[site]].
            if len(registry):
                raise EditError(
                    "the sites stand in an inline array; write each under [[site]] to have the "
                    "file edited"
                )
            empty = slice(start_of_line(text, span.start), end_of_line(text, span.end))
            return _split(mark + text[: empty.start] + text[empty.stop :], registry)
        if not span.header:
            continue
        if path[0] == "site" and len(path) == 2:
            index = int(path[1])
            cuts.append((_beginning(text, span.start), registry.sites[index]))
        elif path[:2] != ("site", index) or cuts[-1][1] is None:
            if path[0] == "site":
                raise EditError(
                    f"the tables of site {index + 1} stand apart; put them together to have the "
                    "file edited"
                )
            cuts.append((_beginning(text, span.start), None))
    ends = [start for start, _ in cuts[1:]] + [len(text)]
    return mark, [
        _TextPart(text[start:end], site) for (start, site), end in zip(cuts, ends, strict=True)
    ]


def _beginning(text: str, header: int) -> int:
    """Return where a table begins, with the comment above it unless it is the file's header."""
    start = at = start_of_line(text, header)
    while at > 0:
        line = start_of_line(text, at - 1)
        if not text[line:at].lstrip(" \t").startswith("#") or _REMOVED.match(text, line):
            return at
        at = line
    return start


def _unattached(part: str) -> str:
    """Return the text of a site's part to keep: comments after an empty line."""
    last = max(span.end for span in key_spans(part).values())
    at = end_of_line(part, last)
    while at < len(part) and part[at : end_of_line(part, at)].lstrip(" \t").startswith("#"):
        at = end_of_line(part, at)
    rest = part[at:]
    return rest if rest.strip() else ""


def _with_gap(text: str, break_: str) -> str:
    """Return the text with an empty line at its end; a blank text stays unchanged."""
    if not text.strip():
        return text
    content = text.rstrip(" \t")
    if not content.endswith("\n"):
        return content + 2 * break_
    return content if re.search(r"\n[ \t]*\r?\n\Z", content) else content + break_


def _add(parts: list[_TextPart], added: Iterable[str], break_: str) -> None:
    """Add new sites after the last site."""
    indices = [index for index, part in enumerate(parts) if part.site is not None]
    last = indices[-1] if indices else len(parts) - 1
    followed = any(part.text.strip() for part in parts[last + 1 :])
    behind = parts[last]
    for site in added:
        behind.text = _with_gap(behind.text, break_) + site
    if followed:
        behind.text += break_


def _checked(
    text: str, sites: Mapping[int, Site], rates: Mapping[str, Decimal], source: str
) -> str:
    """Return the text after checking that it has exactly these sites and rates."""
    try:
        registry = parse_sites(text, source)
    except SitesFileError as error:
        raise EditError(
            "\n".join(
                ": ".join(filter(None, (mistake.key, mistake.problem)))
                for mistake in error.mistakes
            )
        ) from None
    if {site.id: site for site in registry} != dict(sites) or registry.exchange_rates != rates:
        raise EditError("the file is written in a way that cannot be edited; change it by hand")
    return text
