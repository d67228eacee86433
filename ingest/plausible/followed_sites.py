"""Combines the sites of Plausible's database with a local sites file, while both are followed."""

from dataclasses import dataclass, replace

from ingest.plausible.tables import PlausibleData, PlausibleSite
from ingest.plausible.wanted_sites import (
    MadeSites,
    free_previous_domains,
    missing_rates,
    wanted_sites,
)
from ingest.sites.site import Site, SiteRegistry


@dataclass(frozen=True, slots=True)
class FollowedSites:
    """Plausible's sites, with what a local sites file adds to them.

    Attributes:
        registry: The sites, and the exchange rates of the local file.
        not_usable: Settings of Plausible that are left out, and why, one line each.
        only_local: Sites of the local file that Plausible does not have; they are not registered.
        notes: Notes for the operator, one line each.
    """

    registry: SiteRegistry
    not_usable: tuple[str, ...] = ()
    only_local: tuple[Site, ...] = ()
    notes: tuple[str, ...] = ()


def followed_sites(
    data: PlausibleData, local: SiteRegistry, made: MadeSites | None = None
) -> FollowedSites:
    """Combine Plausible's sites with a local sites file.

    A site of the local file is that of Plausible with the same domain, or with the same domain
    before a change of domain. Its settings are used as in `merge_sites`. Its id does not count.

    Args:
        data: Plausible's data.
        local: The sites of the local file.
        made: As for `wanted_sites`.
    """
    not_usable: list[str] = []
    domains = {row.domain for row in data.sites}
    scripts = {script.id for script in data.scripts.values()}
    used: set[int] = set()

    def local_site(row: PlausibleSite) -> Site | None:
        site, previous = local.find(row.domain), row.previous_domain
        if site is None and previous is not None and previous not in domains:
            site = local.find(previous)
        if site is None or site.id in used:
            return None
        used.add(site.id)
        if site.script is not None and site.script.id in scripts:
            site = replace(site, script=None)
        return replace(site, id=row.id)

    sites = wanted_sites(data, local_site, not_usable, made)
    free_previous_domains(sites, SiteRegistry(), not_usable)
    return FollowedSites(
        SiteRegistry(sites.values(), local.exchange_rates),
        tuple(not_usable),
        tuple(site for site in local if site.id not in used),
        (*data.missing, *missing_rates(sites.values(), local)),
    )
