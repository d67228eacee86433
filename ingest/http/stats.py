"""The page with a site's statistics: `GET /stats/DOMAIN`, and its data, `GET /api/stats`.

Each figure is a request of its own, so that one that fails does not take the others with it.
"""

from datetime import UTC
from functools import partial
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from actors.clock.wall_clock import Clock
from actors.stores.store import QueryRefused, Store, StoreUnavailable
from ingest.http.interruption import UnwantedError, while_wanted
from ingest.http.live.page import FILES, HTML, PAGE_POLICY, Asset, RefusalPage, refuse_page
from ingest.http.operator import Operator
from ingest.http.operator_routes import NO_STORE
from ingest.http.responses import error, json_response
from ingest.pipeline.reference import Reference
from ingest.sites.site import Site
from ingest.sites.time_zone import find_time_zone
from ingest.stats.figures import describe_period, figure_of, problem_of, read_period
from ingest.stats.period import PeriodError
from ingest.stats.queries import FIGURES, statements

SITES_LISTED: Final = 500
"""Sites that the page offers; all others have their addresses."""


def add_stats_page(
    app: QuartTrio, operator: Operator, store: Store | None, reference: Reference, clock: Clock
) -> None:
    """Add the routes.

    Args:
        app: The application.
        operator: Checks the client.
        store: Has the rows; None if this process has none.
        reference: Has the sites.
        clock: Says which day is today.
    """
    template = (FILES / "stats.html").read_text()
    stranger = RefusalPage((FILES / "refusal.html").read_text())

    @app.get("/stats", strict_slashes=False)
    @app.get("/stats/<path:domain>")
    async def stats_page(domain: str = "") -> Response:
        if not operator.is_authorized():
            return refuse_page(operator, stranger)
        # Relative, for proxies that add a path prefix. A domain may contain slashes.
        root = "../" * (request.scope["raw_path"].count(b"/") - 1)
        response = Asset.of(template.replace("{root}", root).encode(), HTML).response()
        response.headers["content-security-policy"] = PAGE_POLICY
        return response

    @app.get("/api/stats")
    async def stats() -> Response:
        if (refusal := operator.refusal()) is not None:
            return refusal
        asked = request.args
        site = _site(reference, asked.get("site"))
        if site is None:
            return error(404, "site", "No site has this domain; `sluice sites add` adds one")
        try:
            zone = find_time_zone(site.timezone) or UTC
            period = read_period(
                asked.get("period"), asked.get("from"), asked.get("to"), clock.now(), zone
            )
        except PeriodError as mistake:
            return error(400, mistake.field, str(mistake))
        figure = asked.get("of")
        if figure is None:
            listed = [each.domain for each in reference.registry.sites[:SITES_LISTED]]
            report = {"site": site.domain, "sites": listed, "period": describe_period(period)}
            return json_response(200, report)
        if figure not in FIGURES:
            return error(400, "of", f"expected one of {', '.join(FIGURES)}")
        if store is None:
            return error(503, "of", NO_STORE)
        try:
            results = [
                await while_wanted(request.scope, partial(store.query, sql))
                for sql in statements(figure, site.id, period)
            ]
        except QueryRefused as refused:
            return error(400, "of", problem_of(str(refused)))
        except (StoreUnavailable, UnwantedError) as unavailable:
            return error(503, "of", str(unavailable))
        return json_response(200, figure_of(figure, period, results))


def _site(reference: Reference, domain: str | None) -> Site | None:
    """The site that a client means; the first one if it names none."""
    if domain is None:
        return next(iter(reference.registry), None)
    return reference.site(domain)
