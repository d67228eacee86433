"""Changes of sites, as shown to the operator."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.sites.site import SCRIPT_OPTIONS, Site, SiteScript
from ingest.sites.site_file_schema import SHIELD_LISTS


@dataclass(frozen=True, slots=True)
class SiteChange:
    """An added or changed site. Its secret is not shown.

    Attributes:
        before: The site in the file; None for a new site.
        site: The site after the change.
    """

    before: Site | None
    site: Site

    def lines(self) -> Iterator[str]:
        """Yield the change as readable lines: one for the site, and one for each key."""
        sign = "+" if self.before is None else "~"
        yield f"{sign} site {self.site.id} {self.site.domain}"
        old = self.before or Site(self.site.id, self.site.domain)
        for title, before, after in zip(_TITLES, _shown(old), _shown(self.site), strict=True):
            if before != after:
                yield f"    {title}: {before or 'none'} -> {after or 'none'}"
        if old.server_key != self.site.server_key:
            yield f"    server key: {'taken away' if self.site.server_key is None else 'a new one'}"
        for kind, key in SHIELD_LISTS.items():
            before, after = getattr(old.shields, key), getattr(self.site.shields, key)
            yield from _differences(f"{kind} rules", before, after)
        yield from _differences(
            "revenue goals", _goal_texts(old.revenue_goals), _goal_texts(self.site.revenue_goals)
        )


_TITLES: Final = (
    "domain",
    "previous domain",
    "rate limit",
    "accepts traffic until",
    "server clients",
    "script",
    "time zone",
)


def _shown(site: Site) -> tuple[str, ...]:
    limit = site.rate_limit
    return (
        site.domain,
        site.previous_domain or "",
        "" if limit is None else f"{limit.events} events in {limit.seconds} s",
        str(site.accept_traffic_until or ""),
        "dropped" if site.drop_server_clients else "accepted",
        script_text(site.script),
        site.timezone or "",
    )


def script_text(script: SiteScript | None) -> str:
    """Return a script's name and its options as readable text; empty without a script."""
    if script is None:
        return ""
    options = [name.replace("_", " ") for name in SCRIPT_OPTIONS if getattr(script, name)]
    return f"pa-{script.id}.js" + (f" ({', '.join(options)})" if options else "")


def _goal_texts(goals: Mapping[str, str]) -> list[str]:
    return [f"{event} ({currency})" for event, currency in goals.items()]


def _differences(title: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    signs = [f"+ {entry}" for entry in after if entry not in before]
    signs += [f"- {entry}" for entry in before if entry not in after]
    if signs:
        yield f"    {title}: {', '.join(signs)}"
