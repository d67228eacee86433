"""Programs that send events without a browser, and the expected rows."""

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.end_to_end.bundler import PLAUSIBLE_CLIENT, node_modules
from tests.end_to_end.journeys import (
    PLAIN_EVENT,
    Collected,
    Row,
    steady,
    without,
)
from tests.end_to_end.sluice import CHROME, Sluice
from tests.end_to_end.trackers import IN_EUROS, event, pageview
from tests.waiting import WAIT_SECONDS

SITE = "servers.example"


@dataclass(frozen=True, slots=True)
class Matches:
    """Equals every text that matches a pattern."""

    pattern: str

    def __eq__(self, other: object) -> bool:
        """Whether the whole text matches."""
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __hash__(self) -> int:
        """Return a hash, as frozen values do."""
        return hash(self.pattern)


def program(name: str | Matches, version: str | Matches = "") -> Row:
    """Return the device columns of a program that is not a browser."""
    return {
        "browser": name,
        "browser_version": version,
        "operating_system": "",
        "screen_size": "",
    }


NODE = Matches("Node|undici")
"""Name of Node; up to version 18, it is the name of its HTTP client."""

ON_A_MAC: Row = {
    "browser_version": "131.0",
    "operating_system": "Mac",
    "operating_system_version": "10.15",
}


@dataclass(frozen=True, slots=True)
class ServerClient:
    """A program.

    Attributes:
        name: Name of the program.
        did: A description of what it sends.
        command: Returns its arguments for a collector's origin.
        rows: The expected rows, each with its differences from `PLAIN_EVENT`.
    """

    name: str
    did: str
    command: Callable[[str], Sequence[str]]
    rows: Sequence[Row]


def node(script: str) -> Callable[[str], Sequence[str]]:
    """Return a command that runs a script with Node."""
    return lambda origin: ["node", "-e", script.replace("COLLECTOR", origin)]


def curl(body: str, *options: str) -> Callable[[str], Sequence[str]]:
    """Return a command that posts a body with curl."""
    return lambda origin: [
        *("curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *options),
        *("--data", body, f"{origin}/api/event"),
    ]


SERVER_CLIENTS = [
    ServerClient(
        f"{PLAUSIBLE_CLIENT.name} {PLAUSIBLE_CLIENT.version} in Node",
        "tells of a sale, as a server does",
        node(
            "const {Plausible} = require('plausible-client'); "
            f"new Plausible({{apiHost: 'COLLECTOR', domain: '{SITE}'}}).sendEvent('Purchase', "
            "{url: 'app://server/client', props: {plan: 'pro'}, "
            "revenue: {amount: 19.9, currency: 'USD'}}).catch(() => process.exit(1))"
        ),
        [
            {
                **event("Purchase", "/client", {"plan": "pro"}, hostname="server"),
                **program(NODE),
                **IN_EUROS,
            }
        ],
    ),
    ServerClient(
        "fetch in Node",
        "tells of a page, in JSON",
        node(
            "fetch('COLLECTOR/api/event', {method: 'POST', "
            "headers: {'content-type': 'application/json'}, body: JSON.stringify({"
            f"name: 'pageview', url: 'https://{SITE}/fetch', domain: '{SITE}', "
            "referrer: 'https://duckduckgo.com/', props: {logged_in: true}})})"
            ".then(answer => process.exit(answer.status == 202 ? 0 : 1))"
        ),
        [
            {
                **pageview("/fetch", {"logged_in": "true"}),
                **program(NODE),
                "referrer": "duckduckgo.com",
                "referrer_source": "DuckDuckGo",
                "acquisition_channel": "Organic Search",
            }
        ],
    ),
    ServerClient(
        "curl",
        "tells of a page, in its own name",
        curl(
            f'{{"n": "pageview", "u": "https://{SITE}/curl", "d": "{SITE}"}}',
            *("--header", "content-type: text/plain"),
        ),
        [{**pageview("/curl", {}), **program("curl", Matches(r"\d+\.\d+"))}],
    ),
    ServerClient(
        "curl",
        "tells of a visitor's page, as a form, in the visitor's name",
        curl(
            f"n=pageview&u=https://{SITE}/form&d={SITE}&p[plan]=pro",
            *("--user-agent", CHROME, "--header", "x-forwarded-for: 198.51.100.9"),
        ),
        [{**pageview("/form", {"plan": "pro"}), **ON_A_MAC}],
    ),
]


def run(client: ServerClient, sluice: Sluice) -> list[dict[str, Any]]:
    """Run a program, and return the stored rows."""
    collected = Collected(sluice, SITE)
    before = collected.events()
    subprocess.run(
        client.command(sluice.url),
        cwd=node_modules().parent,
        check=True,
        capture_output=True,
        timeout=WAIT_SECONDS,
    )
    collected.settle()
    return [steady(row) for row in without(collected.events(), before)]


def expected(client: ServerClient) -> list[dict[str, Any]]:
    """Return the full expected rows of a program."""
    return [{**PLAIN_EVENT, "hostname": SITE, **row} for row in client.rows]
