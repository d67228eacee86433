"""Makes Plausible's sites from the rows of its database.

The values of Plausible are used: domain, limits, shields, revenue goals and script. Settings that
Plausible does not have are those of an older site: networks in lists of addresses,
`drop_server_clients`, `server_key`, a script of a site without one, and a previous domain that
Plausible has already deleted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from ingest.plausible.tables import Goal, PlausibleData, PlausibleSite, Rule
from ingest.sites.shields import (
    MAX_COUNTRY_RULES,
    MAX_HOSTNAME_RULES,
    MAX_IP_RULES,
    MAX_PAGE_RULES,
    parse_network,
)
from ingest.sites.site import (
    MAX_SITE_ID,
    RateLimit,
    Site,
    SiteRegistry,
    SiteScript,
    domain_problem,
)
from ingest.sites.site_file_schema import (
    SHIELD_LISTS,
    problem_of_goal,
    problem_of_rule,
    problem_of_script,
)
from ingest.sites.time_zone import UTC_NAMES, time_zone_problem

_Row = TypeVar("_Row", Rule, Goal)

_MOST: Final[Mapping[str, int]] = MappingProxyType(
    {
        "ip": MAX_IP_RULES,
        "country": MAX_COUNTRY_RULES,
        "page": MAX_PAGE_RULES,
        "hostname": MAX_HOSTNAME_RULES,
    }
)

_DEFAULT_SECONDS: Final = 60
"""Plausible's default window of a rate limit."""


class _Origin(NamedTuple):
    """All that a site is made from.

    Attributes:
        row: Its row in Plausible.
        old: The site that has the settings which Plausible does not have.
        known: The settings that Plausible has.
        rules: Its rules in Plausible, by kind.
        goals: Its goals in Plausible.
        script: Its script in Plausible.
    """

    row: PlausibleSite
    old: Site | None
    known: frozenset[str]
    rules: Mapping[str, Sequence[Rule]]
    goals: Sequence[Goal]
    script: SiteScript | None


MadeSites = dict[int, tuple[_Origin, Site, tuple[str, ...]]]
"""Sites by id, with all that they were made from, and the lines on what was left out."""


def wanted_sites(
    data: PlausibleData,
    old: Callable[[PlausibleSite], Site | None],
    not_imported: list[str],
    made: MadeSites | None = None,
) -> dict[int, Site]:
    """Return Plausible's sites by id.

    Args:
        data: Plausible's data.
        old: The site that has the settings which Plausible does not have.
        not_imported: Gets a line for each setting that is left out.
        made: The sites of an earlier call, which are used again if nothing has changed; replaced by
            those of this call.
    """
    before = {} if made is None else made.copy()
    now: MadeSites = {}
    rules = {kind: _by_site(rows) for kind, rows in data.rules.items()}
    goals = _by_site(data.goals)
    for row in data.sites:
        problem = _problem(row)
        if problem is not None:
            not_imported.append(f"site {row.id} {row.domain!r}: {problem}")
            continue
        origin = _Origin(
            row,
            old(row),
            data.known,
            {kind: rows.get(row.id, ()) for kind, rows in rules.items()},
            goals.get(row.id, ()),
            data.scripts.get(row.id),
        )
        found = before.get(row.id)
        now[row.id] = found if found and found[0] == origin else (origin, *_made(origin))
        not_imported.extend(now[row.id][2])
    if made is not None:
        made.clear()
        made.update(now)
    return {site_id: site for site_id, (_, site, _) in now.items()}


def _made(origin: _Origin) -> tuple[Site, tuple[str, ...]]:
    """Make a site; return it with a line for each setting that is left out."""
    left_out: list[str] = []
    site = _site(origin.row, origin.old, origin.known, left_out)
    shields: dict[str, Any] = {
        SHIELD_LISTS[kind]: _rules(site, kind, rows, left_out)
        for kind, rows in origin.rules.items()
    }
    site = replace(site, shields=replace(site.shields, **shields))
    if "revenue_goals" in origin.known:
        site = _with_goals(site, origin.goals, left_out)
    if origin.script is not None:
        site = _with_script(site, origin.script, left_out)
    return site, tuple(left_out)


def _problem(row: PlausibleSite) -> str | None:
    if row.consolidated:
        return "it shows other sites together and has no events of its own"
    if not 1 <= row.id <= MAX_SITE_ID:
        return f"expected an id from 1 to {MAX_SITE_ID}"
    expected = domain_problem(row.domain)
    return None if expected is None else f"expected {expected}"


def _site(
    row: PlausibleSite, old: Site | None, known: frozenset[str], not_imported: list[str]
) -> Site:
    """Return the site without its shields and goals."""
    site = replace(old or Site(row.id, row.domain), domain=row.domain)
    if row.previous_domain is not None:
        expected = domain_problem(row.previous_domain)
        if expected is None:
            site = replace(site, previous_domain=row.previous_domain)
        else:
            not_imported.append(
                f"site {row.id} {row.domain}: previous domain {row.previous_domain!r}: "
                f"expected {expected}"
            )
    if site.previous_domain == site.domain:
        site = replace(site, previous_domain=None)
    if "rate_limit" in known:
        site = replace(site, rate_limit=_limit(row, not_imported))
    if "accept_traffic_until" in known:
        site = replace(site, accept_traffic_until=row.accept_traffic_until)
    if "timezone" in known:
        site = replace(site, timezone=_timezone(row, not_imported))
    return site


def _timezone(row: PlausibleSite, not_imported: list[str]) -> str | None:
    """Return the name of a time zone; None for UTC, which need not be named."""
    if row.timezone is None or row.timezone in UTC_NAMES:
        return None
    expected = time_zone_problem(row.timezone)
    if expected is None:
        return row.timezone
    not_imported.append(
        f"site {row.id} {row.domain}: time zone {row.timezone!r}: expected {expected}"
    )
    return None


def _limit(row: PlausibleSite, not_imported: list[str]) -> RateLimit | None:
    if row.limit_events is None:
        return None
    seconds = _DEFAULT_SECONDS if row.limit_seconds is None else row.limit_seconds
    if row.limit_events < 0 or seconds < 1:
        not_imported.append(
            f"site {row.id} {row.domain}: rate limit: expected 0 events or more in 1 second or "
            f"more, got {row.limit_events}/{seconds}"
        )
        return None
    return RateLimit(row.limit_events, seconds)


def _rules(site: Site, kind: str, rows: Sequence[Rule], not_imported: list[str]) -> tuple[str, ...]:
    """Return a site's rules of one kind. Rules that stay keep their order."""
    theirs: dict[str, str] = {}
    about = f"site {site.id} {site.domain}: {kind} rule"
    acting = "allow" if kind == "hostname" else "deny"
    for row in rows:
        if row.action != acting:
            not_imported.append(f"{about} {row.text!r}: its action {row.action!r} does nothing")
            continue
        problem = problem_of_rule(kind, row.text)
        if problem is not None:
            not_imported.append(f"{about}: {problem}")
            continue
        theirs.setdefault(_same(kind, row.text), row.text)
    ours = getattr(site.shields, SHIELD_LISTS[kind])
    kept = [rule for rule in ours if _same(kind, rule) in theirs or _only_ours(kind, rule)]
    same = {_same(kind, rule) for rule in kept}
    rules = [*kept, *(text for key, text in theirs.items() if key not in same)]
    most = _MOST[kind]
    not_imported.extend(f"{about} {rule!r}: there are {most} already" for rule in rules[most:])
    if kind == "hostname" and rows and not rules:
        not_imported.append(f"{about}s: none is left, so every hostname is allowed")
    return tuple(rules[:most])


def _same(kind: str, rule: str) -> str:
    """Return the normal form of a rule, equal for all its spellings."""
    return str(parse_network(rule)) if kind == "ip" else rule


def _only_ours(kind: str, rule: str) -> bool:
    """Whether Plausible does not support a rule: it has single addresses, but no networks."""
    return kind == "ip" and parse_network(rule).num_addresses > 1


def _with_goals(site: Site, rows: Sequence[Goal], not_imported: list[str]) -> Site:
    theirs: dict[str, str] = {}
    for row in rows:
        about = f"site {site.id} {site.domain}: revenue goal {row.event!r}"
        problem = problem_of_goal(row.event, row.currency)
        if problem is not None:
            not_imported.append(f"{about}: {problem}")
        elif theirs.setdefault(row.event, row.currency) != row.currency:
            not_imported.append(f"{about}: {row.currency}, beside {theirs[row.event]}")
    # Goals that the file has keep their order.
    goals = {event: theirs[event] for event in site.revenue_goals if event in theirs} | theirs
    return replace(site, revenue_goals=goals)


def _with_script(site: Site, script: SiteScript, not_imported: list[str]) -> Site:
    problem = problem_of_script(script.id)
    if problem is not None:
        not_imported.append(f"site {site.id} {site.domain}: script: {problem}")
        return site
    return replace(site, script=script)


def free_previous_domains(
    wanted: dict[int, Site], registry: SiteRegistry, not_imported: list[str]
) -> None:
    """Remove the previous domains that another site has.

    Args:
        wanted: The sites by id; changed in place.
        registry: Other sites, which stay unless they have the id of a wanted one.
        not_imported: Gets a line for each removed domain.
    """
    staying = [site for site in registry if site.id not in wanted]
    taken = {site.domain for site in (*wanted.values(), *staying)}
    taken |= {site.previous_domain for site in staying if site.previous_domain is not None}
    for site in list(wanted.values()):
        if site.previous_domain is None:
            continue
        if site.previous_domain in taken:
            not_imported.append(
                f"site {site.id} {site.domain}: previous domain {site.previous_domain!r}: "
                "another site has it"
            )
            wanted[site.id] = replace(site, previous_domain=None)
        else:
            taken.add(site.previous_domain)


def missing_rates(sites: Iterable[Site], registry: SiteRegistry) -> Iterator[str]:
    """Yield a note if sites have revenue goals in currencies for which there is no rate."""
    currencies = {currency for site in sites for currency in site.revenue_goals.values()}
    missing = sorted(currencies - registry.exchange_rates.keys())
    if missing:
        yield (
            f"exchange_rates has no {', '.join(missing)}: amounts in other currencies are stored, "
            "but not converted (Plausible fetches rates each day; the file's are yours to set)"
        )


def _by_site(rows: Iterable[_Row]) -> Mapping[int, Sequence[_Row]]:
    gathered: defaultdict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        gathered[row.site_id].append(row)
    return gathered
