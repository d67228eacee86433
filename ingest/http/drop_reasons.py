"""`X-Sluice-Drop-Reasons`: why events were dropped, for senders with the operator's token.

The header is a list. Each item has a domain, the reason, and the rule that matched, if any:
`example.com=site_page_blocklist;rule="/admin/**", other.example=not_found`. Domains are
percent-encoded except for letters, digits and `.-_~/:`. Rules are percent-encoded except for
printable ASCII, of which only the quotation mark, the backslash and the percent sign are encoded.
So neither can end the item or the header. If some items do not fit, a last item `*` has their
number.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from ingest.model.event import EventRequest
from ingest.model.verdict import DropReason, Verdict
from ingest.observation.event_summary import DOMAIN_LENGTH, RULE_LENGTH, cut

HEADER: Final = "x-sluice-drop-reasons"

VALUE_LENGTH: Final = 2000
"""Maximum length in characters; proxies accept responses with heads of 4 KiB."""

_IN_DOMAINS: Final = "/:"
_IN_RULES: Final = "".join(
    character for character in map(chr, range(32, 127)) if character not in '"\\%'
)

DomainDrop = tuple[str, DropReason, str]
"""Domain, reason, and the rule that matched."""


def drops_of(request: EventRequest, verdicts: Iterable[Verdict]) -> list[DomainDrop]:
    """Return the drops of a request's events.

    Args:
        request: The request.
        verdicts: One for each domain.
    """
    return [
        (domain, verdict.reason, verdict.rule)
        for domain, verdict in zip(request.domains, verdicts, strict=True)
        if verdict.reason is not None
    ]


def header_value(drops: Iterable[DomainDrop]) -> str:
    """Return the header's value, in ASCII without control characters."""
    items = [_item(*drop) for drop in drops]
    shown: list[str] = []
    length = 0
    for item in items:
        length += len(item) + len(", ")
        if length > VALUE_LENGTH:
            shown.append(f"*={len(items) - len(shown)}")
            break
        shown.append(item)
    return ", ".join(shown)


def _item(domain: str, reason: DropReason, rule: str) -> str:
    name = _encode(cut(domain, DOMAIN_LENGTH), _IN_DOMAINS)
    if not rule:
        return f"{name}={reason}"
    return f'{name}={reason};rule="{_encode(cut(rule, RULE_LENGTH), _IN_RULES)}"'


def _encode(text: str, safe: str) -> str:
    return quote(text, safe=safe, encoding="utf-8", errors="surrogatepass")
