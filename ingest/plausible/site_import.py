"""Merges Plausible's sites into the sites file, and reports the changes.

For a site that exists in Plausible, the values of Plausible are used: domain, limits, shields,
revenue goals and script. Settings that Plausible does not have stay as in the file: networks in
lists of addresses, `drop_server_clients`, `server_key`, a script of a site without one, and a
previous domain that Plausible has already deleted. Sites that exist only in the file stay.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

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
from ingest.sites.site_change import SiteChange
from ingest.sites.site_file_schema import (
    SHIELD_LISTS,
    problem_of_goal,
    problem_of_rule,
    problem_of_script,
)

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


@dataclass(frozen=True, slots=True)
class SiteImport:
    """The changes to the sites file.

    Attributes:
        changes: The changed sites, in the order of ids.
        unchanged: Number of sites that already match Plausible.
        only_in_file: Sites that Plausible does not have; they stay.
        not_imported: Settings that cannot be imported, and why, one line each.
        conflicts: Plausible's sites that are not imported until the file is changed, one line each.
        notes: Notes for the operator, one line each.
    """

    changes: tuple[SiteChange, ...] = ()
    unchanged: int = 0
    only_in_file: tuple[Site, ...] = ()
    not_imported: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites to write."""
        return tuple(change.site for change in self.changes)


def merge_sites(data: PlausibleData, registry: SiteRegistry) -> SiteImport:
    """Merge Plausible's data into the sites of the file.

    Args:
        data: Plausible's data.
        registry: The sites of the file.
    """
    not_imported: list[str] = []
    wanted = wanted_sites(data, lambda row: registry.by_id(row.id), not_imported)
    conflicts = _leave_out_conflicts(wanted, registry)
    free_previous_domains(wanted, registry, not_imported)
    changes = tuple(
        SiteChange(registry.by_id(site.id), site)
        for site in wanted.values()
        if registry.by_id(site.id) != site
    )
    of_plausible = {row.id for row in data.sites}
    return SiteImport(
        changes=changes,
        unchanged=len(wanted) - len(changes),
        only_in_file=tuple(site for site in registry if site.id not in of_plausible),
        not_imported=tuple(not_imported),
        conflicts=tuple(conflicts),
        notes=(*data.missing, *missing_rates(wanted.values(), registry)),
    )


def wanted_sites(
    data: PlausibleData,
    old: Callable[[PlausibleSite], Site | None],
    not_imported: list[str],
) -> dict[int, Site]:
    """Return Plausible's sites by id.

    Args:
        data: Plausible's data.
        old: The site that has the settings which Plausible does not have.
        not_imported: Gets a line for each setting that is left out.
    """
    wanted: dict[int, Site] = {}
    rules = {kind: _by_site(rows) for kind, rows in data.rules.items()}
    goals = _by_site(data.goals)
    for row in data.sites:
        problem = _problem(row)
        if problem is not None:
            not_imported.append(f"site {row.id} {row.domain!r}: {problem}")
            continue
        site = _site(row, old(row), data.known, not_imported)
        shields: dict[str, Any] = {
            SHIELD_LISTS[kind]: _rules(site, kind, rows.get(row.id, ()), not_imported)
            for kind, rows in rules.items()
        }
        wanted[row.id] = replace(site, shields=replace(site.shields, **shields))
        if "revenue_goals" in data.known:
            wanted[row.id] = _with_goals(wanted[row.id], goals.get(row.id, ()), not_imported)
        script = data.scripts.get(row.id)
        if script is not None:
            wanted[row.id] = _with_script(wanted[row.id], script, not_imported)
    return wanted


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
    return site


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


def _leave_out_conflicts(wanted: dict[int, Site], registry: SiteRegistry) -> list[str]:
    """Leave out sites whose domain the file has for another id that stays."""
    conflicts: list[str] = []
    while True:
        owners = {
            domain: site
            for site in registry
            if site.id not in wanted
            for domain in (site.domain, site.previous_domain)
            if domain is not None
        }
        clash = next((site for site in wanted.values() if site.domain in owners), None)
        if clash is None:
            return conflicts
        # The file's entry for this id now stays, and may conflict with other sites.
        del wanted[clash.id]
        conflicts.append(
            f"site {clash.id} {clash.domain}: the file has this domain under the id "
            f"{owners[clash.domain].id}; remove or rename that site and import again"
        )


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
