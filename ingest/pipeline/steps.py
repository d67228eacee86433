"""The list of all steps, in order, and the function that runs them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ingest.model.verdict import Drop
from ingest.pipeline.context import EventContext
from ingest.pipeline.enrichment import (
    add_attribution,
    add_revenue,
    add_visitor,
    drop_bot,
    drop_invalid,
)
from ingest.pipeline.gate import (
    drop_blocked_country,
    drop_blocked_hostname,
    drop_blocked_ip,
    drop_blocked_page,
    drop_ip_type,
    drop_over_rate_limit,
    drop_spam_referrer,
    drop_unpaid,
    drop_verification_agent,
    find_site,
    locate,
)
from ingest.pipeline.reference import Reference


class Step(msgspec.Struct, frozen=True):
    """One step of the pipeline.

    Attributes:
        stage: Name of the actor that runs it.
        name: Unique among all steps.
        run: Reads an event's context, writes its results there, and returns a `Drop`, or None to
            let the event pass.
        rule: The rule of a site that it applies, one of `Site.rules`. Events of sites without the
            rule pass.
    """

    stage: str
    name: str
    run: Callable[[EventContext, Reference], Drop | None]
    rule: str | None = None


STEPS: Final = (
    Step("gate", "spam_referrer", drop_spam_referrer),
    Step("gate", "site", find_site),
    Step("gate", "traffic_accepted", drop_unpaid, "accept_traffic_until"),
    Step("gate", "rate_limit", drop_over_rate_limit, "rate_limit"),
    Step("gate", "verification_agent", drop_verification_agent),
    Step("gate", "ip_type", drop_ip_type),
    Step("gate", "hostname_shield", drop_blocked_hostname, "hostnames"),
    Step("gate", "page_shield", drop_blocked_page, "pages"),
    Step("gate", "ip_shield", drop_blocked_ip, "ips"),
    Step("gate", "geolocation", locate),
    Step("gate", "country_shield", drop_blocked_country, "countries"),
    Step("enrichment", "user_agent", drop_bot),
    Step("enrichment", "attribution", add_attribution),
    Step("enrichment", "revenue", add_revenue),
    Step("enrichment", "visitor", add_visitor),
    Step("enrichment", "complete", drop_invalid),
)
"""In the order of spec/ingestion.md §10."""

GATE: Final = tuple(step for step in STEPS if step.stage == "gate")
ENRICHMENT: Final = tuple(step for step in STEPS if step.stage == "enrichment")

_SITE_KNOWN: Final = 1 + [step.name for step in GATE].index("site")
_TO_SITE: Final = GATE[:_SITE_KNOWN]
_behind_site: Final[dict[frozenset[str], Sequence[Step]]] = {}
"""The gate's other steps, by the rules of a site that needs just these."""

_FAILED: Final = "in the step "


def run_gate(context: EventContext, reference: Reference) -> Drop | None:
    """Run the gate's steps, but for those whose rule the event's site does not have.

    The result is that of `run_steps(GATE, context, reference)`.
    """
    drop = run_steps(_TO_SITE, context, reference)
    if drop is not None:
        return drop
    rules = context.site.rules
    steps = _behind_site.get(rules)
    if steps is None:
        steps = [step for step in GATE[_SITE_KNOWN:] if step.rule is None or step.rule in rules]
        _behind_site[rules] = steps
    return run_steps(steps, context, reference)


def run_steps(steps: Sequence[Step], context: EventContext, reference: Reference) -> Drop | None:
    """Run steps until one drops the event.

    Args:
        steps: A part of `STEPS`. The parts before it have been run on the same context.
        context: The event, and the results of the steps before.
        reference: The data that the steps look up.

    Returns:
        Why the event is dropped; None when it passes.

    Raises:
        Exception: What a step raised; `failing_step` tells which step did.
    """
    step = None
    try:
        for step in steps:
            run = step.run
            drop = run(context, reference)
            if drop is not None:
                return drop
    except Exception as error:
        if step is not None:
            error.add_note(f"{_FAILED}{step.name}")
        raise
    return None


def failing_step(error: BaseException) -> str | None:
    """Name of the step that raised an exception; None when no step did."""
    notes: list[str] = getattr(error, "__notes__", [])
    named = (note.removeprefix(_FAILED) for note in notes if note.startswith(_FAILED))
    return next(named, None)
