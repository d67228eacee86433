"""The text of one site in a sites file: written anew, or changed where the site has changed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ingest.sites.site import SCRIPT_OPTIONS, Site, SiteScript
from ingest.sites.site_file_schema import OUTDATED_KEY, SHIELD_LISTS
from ingest.sites.toml_edit import (
    append_section,
    drop,
    inline_table,
    literal,
    set_array,
    set_value,
)
from ingest.sites.toml_lines import KeyPath, key_spans

_SITE: Final[KeyPath] = ("site", 0)
"""The path of a site in a part of the file with only this site."""


def new_site_text(site: Site, break_: str) -> str:
    """Write a site.

    Args:
        site: The site.
        break_: The line ends of the file.
    """
    lines = ["[[site]]", f"id = {site.id}", f"domain = {literal(site.domain)}"]
    lines += [f"{key} = {value}" for key, value in _plain(site) if key != "domain" and value]
    text = "\n".join(lines) + "\n"
    limit = site.rate_limit
    if limit is not None:
        text += f"rate_limit = {inline_table({'events': limit.events, 'seconds': limit.seconds})}\n"
    return _change_rules(text, Site(site.id, site.domain), site).replace("\n", break_)


def changed_site_text(text: str, old: Site, new: Site) -> str:
    """Write what has changed of a site.

    Args:
        text: The part of a sites file with only this site.
        old: The site in this text.
        new: The same site as it is to be.
    """
    before = dict(_plain(old))
    for key, value in _plain(new):
        if value == before[key]:
            continue
        path = (*_SITE, key)
        if key == "drop_server_clients":
            text = drop(text, (*_SITE, OUTDATED_KEY))
        text = drop(text, path) if value is None else set_value(text, path, value)
    if new.rate_limit != old.rate_limit:
        text = _change_rate_limit(text, new)
    return _change_rules(text, old, new)


def _plain(site: Site) -> Iterator[tuple[str, str | None]]:
    """Yield the keys with a single value, as TOML; None for keys with their default."""

    def optional(value: Any) -> str | None:
        return literal(value) if value else None

    yield "domain", literal(site.domain)
    yield "previous_domain", optional(site.previous_domain)
    yield "accept_traffic_until", optional(site.accept_traffic_until)
    yield "drop_server_clients", optional(site.drop_server_clients)
    yield "server_key", optional(site.server_key)
    yield "timezone", optional(site.timezone)


def _change_rate_limit(text: str, site: Site) -> str:
    path, limit = (*_SITE, "rate_limit"), site.rate_limit
    if limit is None:
        return drop(text, path)
    pairs = {"events": limit.events, "seconds": limit.seconds}
    if not any(found[:3] == path for found in key_spans(text)):
        return set_value(text, path, inline_table(pairs))
    for key, value in pairs.items():
        text = set_value(text, (*path, key), str(value))
    return text


def _change_rules(text: str, old: Site, new: Site) -> str:
    table = (*_SITE, "shields")
    for kind in SHIELD_LISTS.values():
        before, after = getattr(old.shields, kind), getattr(new.shields, kind)
        if before == after:
            continue
        if not any(found[:3] == table for found in key_spans(text)):
            text = append_section(text, "[site.shields]")
        text = set_array(text, (*table, kind), before, after)
    if old.script != new.script:
        text = _change_script(text, old.script, new.script)
    if dict(old.revenue_goals) != dict(new.revenue_goals):
        text = _change_goals(text, old.revenue_goals, new.revenue_goals)
    return text


def _change_script(text: str, old: SiteScript | None, new: SiteScript | None) -> str:
    table = (*_SITE, "script")
    if new is None:
        return drop(text, table)
    if old is None:
        text = append_section(text, f"[site.script]\nid = {literal(new.id)}")
    elif old.id != new.id:
        text = set_value(text, (*table, "id"), literal(new.id))
    for option in SCRIPT_OPTIONS:
        on = getattr(new, option)
        if on != (old is not None and getattr(old, option)):
            text = set_value(text, (*table, option), literal(on))
    return text


def _change_goals(text: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    path = (*_SITE, "revenue_goals")
    if path in key_spans(text):
        # Rewrite an inline array.
        goals = [inline_table({"event": event, "currency": new[event]}) for event in new]
        return set_value(text, path, f"[{', '.join(goals)}]")
    for position, event in reversed(list(enumerate(old))):
        goal = (*path, position)
        if event not in new:
            text = drop(text, goal)
        elif new[event] != old[event]:
            text = set_value(text, (*goal, "currency"), literal(new[event]))
    for event, currency in new.items():
        if event not in old:
            section = f"event = {literal(event)}\ncurrency = {literal(currency)}"
            text = append_section(text, f"[[site.revenue_goals]]\n{section}")
    return text
