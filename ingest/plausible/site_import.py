"""Merges Plausible's sites into the sites file, and reports the changes.

For a site that exists in Plausible, the values of Plausible are used: domain, limits, shields,
revenue goals and script. Settings that Plausible does not have stay as in the file: networks in
lists of addresses, `drop_server_clients`, `server_key`, a script of a site without one, and a
previous domain that Plausible has already deleted. Sites that exist only in the file stay.
"""

from dataclasses import dataclass

from ingest.plausible.tables import PlausibleData
from ingest.plausible.wanted_sites import free_previous_domains, missing_rates, wanted_sites
from ingest.sites.site import (
    Site,
    SiteRegistry,
)
from ingest.sites.site_change import SiteChange


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
