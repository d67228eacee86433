"""Each feature of Sluice's own tracker: a visitor's steps, and the expected rows."""

from typing import Any

from playwright.sync_api import BrowserContext

from tests.end_to_end.journeys import (
    Act,
    Between,
    Guest,
    Journey,
    Row,
    Step,
    does,
    leaves,
    opens,
    runs,
    scrolls,
    stays,
)
from tests.end_to_end.trackers import ELSEWHERE, SHORT, engagement, event, pageview


def tag(site: str, attributes: str = "") -> str:
    """Return the tracker's tag."""
    return f'<script defer src="COLLECTOR/js/script.js" data-domain="{site}" {attributes}></script>'


def visit(pathname: str, pageviews: int = 1, events: int | None = None, **columns: Any) -> Row:
    """Return a session that began at a page and, by default, also ended there."""
    return {
        "entry_page": pathname,
        "exit_page": pathname,
        "pageviews": pageviews,
        "events": pageviews if events is None else events,
        "is_bounce": int(pageviews == 1 and events is None),
        "duration": SHORT,
        **columns,
    }


def has(name: str, value: str) -> Any:
    """Set a property of the browser's `navigator`."""

    def prepare(context: BrowserContext) -> None:
        context.add_init_script(
            f"Object.defineProperty(navigator, '{name}', {{get: () => {value}}})"
        )

    return prepare


def ends_at(pathname: str, props: Row | None = None, **columns: Any) -> Step:
    """Leave a page after a short time, with only the first screen seen."""
    return Step("leaves", leaves(), [{**engagement(pathname, props or {}), **columns}])


def comes_back(guest: Guest) -> None:
    """Go back to a page in the browser's back/forward cache, which has set `window.kept`."""
    guest.page.evaluate("setTimeout(() => history.back())")
    guest.page.wait_for_function("window.kept")


def stop_time(context: BrowserContext) -> None:
    """Stop the pages' clock, so that it only moves when it is advanced."""
    context.clock.install(time=0)
    context.clock.pause_at(1000)


def gives(script: str, expected: Any) -> Act:
    """Run a script in the page, and check its result."""

    def act(guest: Guest) -> None:
        got = guest.page.evaluate(f"async () => {{ {script} }}")
        assert got == expected, f"{script}: {got}"

    return act


def keeps_nothing(guest: Guest) -> None:
    """Check that the browser has stored nothing."""
    assert guest.page.context.cookies() == []
    assert guest.page.evaluate("localStorage.length + sessionStorage.length") == 0


def sends_nothing(journey: str, site: str, attributes: str = "", **options: Any) -> Journey:
    """Return a journey that must send no events."""
    return Journey(
        tracker=journey,
        site=site,
        head=tag(site, attributes),
        steps=[
            Step(
                "opens a page, scrolls, does something, leaves",
                does(
                    opens("/", host=next(iter(options.get("hosts", ())), None)),
                    scrolls(780),
                    runs("plausible('Something')"),
                    gives(
                        "return await new Promise(callback => plausible('More', {callback})) "
                        "=== undefined",
                        True,
                    ),
                    leaves(),
                ),
            )
        ],
        visit=None,
        **options,
    )


BLUR = "document.hasFocus = () => false; dispatchEvent(new Event('blur'))"
FOCUS = "document.hasFocus = () => true; dispatchEvent(new Event('focus'))"
HIDE = (
    "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true}); "
    "document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
)
SHOW = (
    "delete document.visibilityState; "
    "document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
)
"""Sets the visibility, because a headless browser's window is always visible and in focus."""

NEVER_TOLD = [
    sends_nothing("Do Not Track", "own-dnt.example", "data-dnt", prepare=has("doNotTrack", "'1'")),
    sends_nothing(
        "Global Privacy Control",
        "own-gpc.example",
        "data-dnt",
        prepare=has("globalPrivacyControl", "true"),
    ),
    sends_nothing("an automated browser", "own-robot.example", prepare=has("webdriver", "true")),
    sends_nothing("a page on 127.0.0.1", "own-loopback.example", hosts=["127.0.0.1"]),
    sends_nothing("a page on localhost", "own-localhost.example", hosts=["localhost"]),
    sends_nothing(
        "somebody who has excluded themselves",
        "own-ignore.example",
        prepare=lambda context: context.add_init_script(
            "if (location.port) localStorage.plausible_ignore = 'true'"
        ),
    ),
    sends_nothing("an excluded page", "own-excluded.example", 'data-exclude="/drafts/*, /"'),
    sends_nothing("a page not included", "own-included.example", 'data-include="/blog/**"'),
]

FEATURES = [
    Journey(
        tracker="signals that the site does not ask for",
        site="own-signals.example",
        head=tag("own-signals.example"),
        prepare=lambda context: (
            has("doNotTrack", "'1'")(context),
            has("globalPrivacyControl", "true")(context),
        ),
        steps=[Step("opens a page", opens("/"), [pageview("/", {})]), ends_at("/")],
        visit=visit("/"),
    ),
    Journey(
        tracker="data-local",
        site="own-local.example",
        head=tag("own-local.example", "data-local"),
        hosts=["127.0.0.1"],
        prepare=has("webdriver", "true"),
        steps=[
            Step(
                "opens a page of the developer's machine",
                opens("/", host="127.0.0.1"),
                [{**pageview("/", {}), "hostname": "127.0.0.1"}],
            ),
            ends_at("/", hostname="127.0.0.1"),
        ],
        visit=visit("/", hostname="127.0.0.1", exit_page_hostname="127.0.0.1"),
    ),
    Journey(
        tracker="data-exclude and data-include",
        site="own-patterns.example",
        head=tag(
            "own-patterns.example", 'data-include="/**" data-exclude="/private/**,/drafts/*,/a.b"'
        ),
        steps=[
            Step("opens an excluded page", opens("/private/of/mine")),
            Step("goes on to another", runs("history.pushState({}, '', '/drafts/1')")),
            Step("goes on to another", runs("history.pushState({}, '', '/a.b/')")),
            Step(
                "goes on to a page that is none, since * ends at a slash",
                runs("history.pushState({}, '', '/drafts/1/2')"),
                [pageview("/drafts/1/2", {})],
            ),
            Step(
                "goes on to one that is none, since . is no pattern",
                runs("history.pushState({}, '', '/a-b')"),
                [engagement("/drafts/1/2", {}), pageview("/a-b", {})],
            ),
            ends_at("/a-b"),
        ],
        visit=visit("/drafts/1/2", 2, exit_page="/a-b"),
    ),
    Journey(
        tracker="data-manual",
        site="own-manual.example",
        head=tag("own-manual.example", "data-manual"),
        steps=[
            Step("opens a page", does(opens("/opened"), runs("history.pushState({}, '', '/on')"))),
            Step(
                "the page tells of a view under another address",
                runs("plausible('pageview', {u: 'https://own-manual.example/as?utm_source=me'})"),
                [pageview("/as", {})],
            ),
            Step(
                "the page tells of another, and of an event there",
                runs("plausible('pageview', {url: location.origin + '/other', props: {a: 1}})"),
                [engagement("/as", {}), pageview("/other", {"a": "1"})],
            ),
            ends_at("/other", {"a": "1"}),
        ],
        attribution={
            "utm_source": "me",
            "referrer_source": "me",
            "acquisition_channel": "Referral",
        },
        visit=visit("/as", 2, exit_page="/other"),
    ),
    Journey(
        tracker="calls before the script is there; the script twice",
        site="own-queue.example",
        head="""
<script>
window.plausible = window.plausible || function() {
  (window.plausible.q = window.plausible.q || []).push(arguments)
}
plausible("Early")
plausible("Early too", {revenue: {amount: "19.90", currency: "USD"}})
</script>"""
        + 2 * tag("own-queue.example"),
        steps=[
            Step(
                "opens a page",
                opens("/"),
                [pageview("/", {}), event("Early", "/", {}), event("Early too", "/", {})],
            ),
            ends_at("/"),
        ],
        visit=visit("/", 1, 3),
    ),
    Journey(
        tracker="an application's history",
        site="own-history.example",
        head=tag("own-history.example"),
        steps=[
            Step("opens a page", opens("/a?x=1"), [pageview("/a", {})]),
            Step(
                "changes what is no page: the query, the fragment, the state",
                runs(
                    "history.pushState({}, '', '/a?x=2'); history.replaceState({y: 1}, '', '/a'); "
                    "location.hash = '#down'"
                ),
            ),
            Step(
                "is sent to another page",
                runs("history.replaceState({}, '', '/b')"),
                [engagement("/a", {}), pageview("/b", {})],
            ),
            Step("goes back", runs("history.back()"), [engagement("/b", {}), pageview("/a", {})]),
            Step("finds nothing that was kept", keeps_nothing),
            ends_at("/a"),
        ],
        visit=visit("/a", 3),
    ),
    Journey(
        tracker="attention",
        site="own-attention.example",
        head=tag("own-attention.example"),
        prepare=stop_time,
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step(
                "reads for four seconds, then turns to another window",
                does(stays(4000), runs(BLUR)),
                [engagement("/", {}, time=Between(4000, 4000))],
            ),
            Step(
                "comes back after a minute, for a moment: nothing new to tell",
                does(stays(60_000), runs(FOCUS), stays(500), runs(BLUR)),
            ),
            Step(
                "comes back for more, then turns to another tab: the moment counts as well",
                does(stays(60_000), runs(FOCUS), stays(2800), runs(HIDE)),
                [engagement("/", {}, time=Between(3300, 3300))],
            ),
            Step(
                "comes back, and scrolls down and up before leaving",
                does(stays(60_000), runs(SHOW), scrolls(2280), scrolls(30), leaves()),
                [engagement("/", {}, 100, Between(0, 0))],
            ),
        ],
        visit=visit("/"),
    ),
    Journey(
        tracker="a page in a background tab",
        site="own-background.example",
        head=f"<script>{HIDE}</script>" + tag("own-background.example"),
        steps=[
            Step(
                "opens it without looking at it; its application starts",
                does(opens("/"), runs("history.replaceState({}, '', '/started')")),
            ),
            Step("looks at it", runs(SHOW), [pageview("/started", {})]),
            Step(
                "goes on",
                runs("history.pushState({}, '', '/on')"),
                [engagement("/started", {}), pageview("/on", {})],
            ),
            ends_at("/on"),
        ],
        visit=visit("/started", 2, exit_page="/on"),
    ),
    Journey(
        tracker="a page that the browser had kept",
        site="own-kept.example",
        head=tag("own-kept.example"),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step("leaves it", does(runs("window.kept = true"), leaves()), [engagement("/", {})]),
            Step("comes back, and finds it as it was", comes_back, [pageview("/", {})]),
            ends_at("/"),
        ],
        visit=visit("/", 2),
    ),
    Journey(
        tracker="links",
        site="own-links.example",
        head=tag("own-links.example", "data-outbound data-downloads"),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step(
                "opens another site in a new tab, with the middle button",
                lambda guest: opens_tab(guest, button="middle"),
                [event("Outbound Link: Click", "/", {"url": ELSEWHERE})],
            ),
            Step(
                "opens another site in a new tab, since the link says so",
                does(
                    runs("document.querySelector('#outbound').target = '_blank'"),
                    lambda guest: opens_tab(guest),
                ),
                [event("Outbound Link: Click", "/", {"url": ELSEWHERE})],
            ),
            Step(
                "follows a link of a component, which the page handles itself",
                runs(
                    "const root = document.body.appendChild(document.createElement('div'))"
                    ".attachShadow({mode: 'open'}); "
                    "root.innerHTML = '<a href=\"https://shadow.example/\"><i>x</i></a>'; "
                    "root.addEventListener('click', event => { event.preventDefault(); "
                    "event.stopPropagation() }); root.querySelector('i').click()"
                ),
                [event("Outbound Link: Click", "/", {"url": "https://shadow.example/"})],
            ),
            Step(
                "downloads a file whose name is in capitals, from another site",
                runs(
                    "const link = document.querySelector('#file'); "
                    "link.onclick = event => event.preventDefault(); "
                    "link.href = 'https://files.example/A.TAR.GZ?x#y'; link.click()"
                ),
                [event("File Download", "/", {"url": "https://files.example/A.TAR.GZ"})],
            ),
            Step(
                "clicks on what is neither: the site's own pages, mail, the right button",
                runs(
                    "addEventListener('click', event => event.preventDefault()); "
                    "for (const id of ['inside', 'mail', 'form']) "
                    "document.getElementById(id).click(); "
                    "document.querySelector('#outbound').dispatchEvent("
                    "new MouseEvent('auxclick', {button: 2, bubbles: true, composed: true}))"
                ),
            ),
            ends_at("/"),
        ],
        visit=visit("/", 1, 5),
    ),
    Journey(
        tracker="data-downloads with extensions, without data-outbound",
        site="own-downloads.example",
        head=tag("own-downloads.example", 'data-downloads="iso, torrent"'),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step(
                "downloads what is listed and what is not, and looks at another site",
                runs(
                    "addEventListener('click', event => event.preventDefault()); "
                    "const link = document.querySelector('#outbound'); "
                    "for (const file of ['a.torrent', 'a.pdf', 'a.isolated', 'iso', '']) "
                    "{ link.href = '/' + file; link.click() }"
                ),
                [
                    event(
                        "File Download",
                        "/",
                        {"url": "http://own-downloads.example:PORT/a.torrent"},
                    )
                ],
            ),
            ends_at("/"),
        ],
        visit=visit("/", 1, 2),
    ),
    Journey(
        tracker="a browser whose requests end with their page",
        site="own-beacon.example",
        head=tag("own-beacon.example"),
        prepare=lambda context: context.add_init_script("delete Request.prototype.keepalive"),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step(
                "does something",
                gives("return await new Promise(callback => plausible('Done', {callback}))", {}),
                [event("Done", "/", {})],
            ),
            ends_at("/"),
        ],
        visit=visit("/", 1, 2),
    ),
    Journey(
        tracker="what becomes of an event",
        site="own-callback.example",
        head=tag("own-callback.example"),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            Step(
                "does something, and the page hears that it was taken",
                gives(
                    "return (await new Promise(callback => plausible('Taken', {callback}))).status",
                    202,
                ),
                [event("Taken", "/", {})],
            ),
            Step(
                "does something while the collector cannot be reached",
                gives(
                    "const real = fetch; window.fetch = () => real('http://collect.example:1/'); "
                    "const {error} = await new Promise(callback => plausible('Lost', {callback}));"
                    "window.fetch = real; return error instanceof TypeError",
                    True,
                ),
            ),
            Step(
                "does more than fits in a request that outlives its page",
                gives(
                    "const props = {}; for (let i = 0; i < 30; i++) props[i] = 'é'.repeat(999); "
                    "return (await new Promise(callback => plausible('Long', {props, callback})))"
                    ".status",
                    202,
                ),
                [event("Long", "/", {str(number): "é" * 999 for number in range(30)})],
            ),
            ends_at("/"),
        ],
        visit=visit("/", 1, 3),
    ),
    Journey(
        tracker="a content security policy",
        site="own-policy.example",
        head='<meta http-equiv="content-security-policy" content="default-src \'none\'; '
        'script-src COLLECTOR; connect-src COLLECTOR">' + tag("own-policy.example"),
        steps=[
            Step("opens a page", opens("/"), [pageview("/", {})]),
            ends_at("/"),
        ],
        visit=visit("/"),
    ),
]


def opens_tab(guest: Guest, **options: Any) -> None:
    """Click on a link that opens another tab, and close that tab."""
    with guest.page.context.expect_page() as opened:
        guest.page.click("#outbound b", **options)
    opened.value.wait_for_url(ELSEWHERE.replace("PORT", str(guest.pages.port)))
    opened.value.close()
