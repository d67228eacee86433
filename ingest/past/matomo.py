"""Matomo's log of visits: JSON of its API's method `Live.getLastVisitsDetails`.

A visit has a list of actions. The export becomes one line for each action (`action_lines`), which
has what the visit says of the visitor, too, and is read by itself.

The fields, as described in Matomo's documentation of its APIs: `visitorId` identifies the visitor;
browser, system, device and place are results of Matomo's detection; a type is given for each
action.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from ingest.enrichment.browser_names import BROWSERS
from ingest.model.event import PAGEVIEW, Device
from ingest.past.exported_visitor import exported_event, exported_place, short_version, system_name
from ingest.past.json_log import json_object
from ingest.past.log_time import any_time
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
)

ACTIONS: Final = "actionDetails"

_OF_THE_VISITOR: Final = (
    *("visitorId", "fingerprint", "visitIp", "siteCurrency", "deviceType"),
    *("browserName", "browserVersion", "operatingSystemName", "operatingSystemVersion"),
    *("countryCode", "regionCode"),
)
_OF_THE_SOURCE: Final = (
    *("referrerType", "referrerName", "referrerKeyword", "referrerUrl", "referrerSearchEngineUrl"),
    *("campaignName", "campaignKeyword", "campaignSource", "campaignMedium", "campaignContent"),
)
_OF_THE_ACTION: Final = (
    *("type", "url", "timestamp", "eventCategory", "eventAction", "eventName", "eventValue"),
    *("revenue",),
)

_PAGE_TYPES: Final = frozenset({"action", "search"})
"""A search of the site's own is found out by Matomo from the address of its page."""

_LINK_EVENTS: Final = {"outlink": "Outbound Link: Click", "download": "File Download"}
"""The names of these events in Plausible's trackers, which give the link as the property `url`."""

_ORDER: Final = "Purchase"
_CAMPAIGN: Final = "campaign"
_TAGS: Final = {
    "utm_source": ("campaignSource",),
    "utm_medium": ("campaignMedium",),
    "utm_campaign": ("campaignName", "referrerName"),
    "utm_term": ("campaignKeyword", "referrerKeyword"),
    "utm_content": ("campaignContent",),
}

_DEVICES: Final = {  # spec/enrichment.md §2
    "desktop": "Desktop",
    "tv": "Desktop",
    "console": "Desktop",
    "smartphone": "Mobile",
    "feature phone": "Mobile",
    "phablet": "Mobile",
    "portable media player": "Mobile",
    "wearable": "Mobile",
    "camera": "Mobile",
    "tablet": "Tablet",
    "car browser": "Tablet",
}


def action_lines(visit: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object for each action of a visit, with what belongs to the visit.

    Only the first that becomes an event has the visit's source, as only a visit's first page has
    its referrer. Any other object is returned as it is.
    """
    actions = visit.get(ACTIONS)
    if not isinstance(actions, list):
        yield visit
        return
    visitor = _chosen(visit, _OF_THE_VISITOR)
    source = _chosen(visit, _OF_THE_SOURCE)
    page = ""
    for action in actions:
        if not isinstance(action, dict):
            yield {ACTIONS: action}
            continue
        if _text(action, "type") in _PAGE_TYPES:
            page = _text(action, "url") or page
        yield {**visitor, **source, ACTIONS: _chosen(action, _OF_THE_ACTION), "page": page}
        if page and _event(action, "") is not None:
            source = {}


class MatomoReader:
    """Reads the lines of `action_lines`."""

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import."""
        self._options = options

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        visit = json_object(line)
        action = visit.get(ACTIONS)
        if isinstance(action, list):
            raise BrokenLineError("visits are read from a JSON array only, as Matomo exports it")
        if not isinstance(action, dict):
            raise BrokenLineError(f"is no visit with {ACTIONS}")
        event = _event(action, _text(visit, "siteCurrency"))
        if event is None:
            return SkipReason.OTHER_ACTION
        page = _text(visit, "page")
        if "://" not in page:
            raise BrokenLineError("has no URL of a page")
        visitor = next(filter(None, (_text(visit, name) for name in _OF_THE_VISITOR[:3])), "")
        if not visitor:
            raise BrokenLineError("visitorId: is required")
        request = exported_event(
            event | {"u": _tagged(page, visit), "d": self._options.site, "r": _referrer(visit)},
            self._options,
            timestamp=any_time(action.get("timestamp")),
            visitor=visitor,
        )
        return PastEvent(
            request,
            place=exported_place(_text(visit, "countryCode"), _text(visit, "regionCode")),
            device=_device(visit),
        )

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True


def _event(action: Mapping[str, Any], currency: str) -> dict[str, Any] | None:
    """Return the name and the properties of an action's event; None if it is no event."""
    kind = _text(action, "type")
    if kind in _PAGE_TYPES:
        return {"n": PAGEVIEW}
    if kind in _LINK_EVENTS:
        return {"n": _LINK_EVENTS[kind], "p": {"url": _text(action, "url")}}
    if kind == "event":
        given = {name: _text(action, f"event{name.title()}") for name in ("category", "name")}
        given["value"] = _text(action, "eventValue")
        return {
            "n": _text(action, "eventAction"),
            "p": {name: value for name, value in given.items() if value},
        }
    if kind == "ecommerceOrder":
        return {"n": _ORDER, "$": {"amount": _text(action, "revenue"), "currency": currency}}
    return None


def _tagged(page: str, visit: Mapping[str, Any]) -> str:
    """Return the page's URL with the campaign, whose parameters Matomo has removed from it."""
    if _text(visit, "referrerType") != _CAMPAIGN or "utm_" in page:
        return page
    tags = {
        tag: value
        for tag, names in _TAGS.items()
        if (value := next(filter(None, (_text(visit, name) for name in names)), ""))
    }
    page, hash_sign, fragment = page.partition("#")
    joint = "&" if "?" in page else "?"
    return f"{page}{joint}{urlencode(tags, errors='replace')}{hash_sign}{fragment}"


def _referrer(visit: Mapping[str, Any]) -> str | None:
    return _text(visit, "referrerUrl") or _text(visit, "referrerSearchEngineUrl") or None


def _device(visit: Mapping[str, Any]) -> Device:
    browser = _text(visit, "browserName")
    return Device(
        BROWSERS.get(browser, browser),
        short_version(_text(visit, "browserVersion")),
        system_name(_text(visit, "operatingSystemName")),
        short_version(_text(visit, "operatingSystemVersion")),
        _DEVICES.get(_text(visit, "deviceType").lower(), ""),
    )


def _chosen(fields: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that are text or numbers and not empty."""
    return {name: fields[name] for name in names if _text(fields, name)}


def _text(fields: Mapping[str, Any], name: str) -> str:
    """Return a text or a number as text; empty for any other value."""
    value = fields.get(name)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and value is not True and value else ""
