"""The journeys of each tracker, and the expected rows."""

from functools import partial
from typing import Any

from ingest.sites.site import SiteScript
from tests.end_to_end.bundler import OFFICIAL, PLAUSIBLE_CLIENT, PLAUSIBLE_TRACKER, bundle
from tests.end_to_end.journeys import (
    Between,
    Journey,
    Row,
    Step,
    clicks,
    does,
    leaves,
    opens,
    runs,
    scrolls,
    stays,
)
from tests.waiting import WAIT_SECONDS

LONGEST = int(WAIT_SECONDS)
"""Seconds that a busy machine may take for anything."""

ENGAGED = Between(5000, LONGEST * 1000)
"""Milliseconds on a page whose clock was advanced by five seconds, plus time for its start."""

BRIEF = Between(0, LONGEST * 1000)
"""Milliseconds on a page that was left immediately."""

SHORT = Between(0, LONGEST)
"""Duration of a session in seconds."""

SCREEN = 24
"""Percentage of a page that is visible without scrolling."""

HACKER_NEWS = "http://news.ycombinator.com/item?id=1"
FROM_HACKER_NEWS: Row = {
    "referrer": "news.ycombinator.com/item",
    "referrer_source": "Hacker News",
    "utm_campaign": "launch",
    "acquisition_channel": "Organic Social",
}
ELSEWHERE = "http://elsewhere.example:PORT/there?from=here#top"
IN_EUROS: Row = {
    "revenue_source_amount": "19.9",
    "revenue_source_currency": "USD",
    "revenue_reporting_amount": "9.95",
    "revenue_reporting_currency": "EUR",
}
"""19.90 dollars, if the goal's currency is the euro and a dollar is worth 0.50 euros."""


def event(name: str, pathname: str, props: Row, **columns: Any) -> Row:
    """Return the row of an event."""
    return {"name": name, "pathname": pathname, "props": props, **columns}


def pageview(pathname: str, props: Row) -> Row:
    """Return the row of a pageview."""
    return event("pageview", pathname, props)


def engagement(pathname: str, props: Row, depth: int = SCREEN, time: Between = BRIEF) -> Row:
    """Return the row of an engagement: percentage of the page seen, and milliseconds."""
    return event("engagement", pathname, props, scroll_depth=depth, engagement_time=time)


def arrives(props: Row) -> Step:
    """Return the step that opens the first page."""
    return Step(
        "comes from Hacker News with a campaign's address",
        opens("/landing?utm_campaign=launch", HACKER_NEWS),
        [pageview("/landing", props)],
    )


def the_usual(site: str, track: str, props: Row, *, depth_after_push: int) -> list[Step]:
    """Return the steps for trackers with all features.

    Args:
        site: The pages' host.
        track: The function with which the page sends a custom event.
        props: The properties of all events.
        depth_after_push: Reported percentage of a page that an application showed while the
            previous page was still scrolled to its middle.
    """
    return [
        arrives(props),
        Step(
            "scrolls to the middle, reads for five seconds; the application shows the next page",
            does(
                scrolls(780),
                stays(5000),
                runs("history.pushState({}, '', '/pricing'); scrollTo(0, 0)"),
            ),
            [engagement("/landing", props, 50, ENGAGED), pageview("/pricing", props)],
        ),
        Step(
            "signs up: a custom event with properties",
            runs(f"{track}('Signup', {{props: {{plan: 'pro', seats: 3, trial: true}}}})"),
            [event("Signup", "/pricing", {**props, "plan": "pro", "seats": "3", "trial": "true"})],
        ),
        Step(
            "buys something for 19.90 dollars",
            runs(f"{track}('Purchase', {{revenue: {{amount: 19.9, currency: 'USD'}}}})"),
            [event("Purchase", "/pricing", props, **IN_EUROS)],
        ),
        Step(
            "sees a video start by itself: an event that is not interactive",
            runs(f"{track}('Autoplay', {{interactive: false}})"),
            [event("Autoplay", "/pricing", props)],
        ),
        Step(
            "follows a link within the site",
            clicks("#inside"),
            [engagement("/pricing", props, depth_after_push), pageview("/inside", props)],
        ),
        Step(
            "downloads a file",
            clicks("#file"),
            [
                event(
                    "File Download",
                    "/inside",
                    {**props, "url": f"http://{site}:PORT/files/report.pdf"},
                )
            ],
        ),
        Step(
            "submits a form, which leads to another page",
            clicks("#form button"),
            [
                event("Form: Submission", "/inside", {**props, "path": "/inside"}),
                engagement("/inside", props),
                pageview("/thanks", props),
            ],
        ),
        Step(
            "follows a link to another site",
            clicks("#outbound b"),
            [
                event("Outbound Link: Click", "/thanks", {**props, "url": ELSEWHERE}),
                engagement("/thanks", props),
            ],
        ),
    ]


def the_usual_visit(props: Row) -> Row:
    """Return the session of the steps in `the_usual`."""
    return {
        "entry_page": "/landing",
        "entry_props": props,
        "exit_page": "/thanks",
        "pageviews": 4,
        "events": 10,
        "duration": SHORT,
    }


THEME = {"theme": "dark"}

OFFICIAL_MODULE = Journey(
    tracker=f"{OFFICIAL.name} {OFFICIAL.version}",
    site="official.example",
    head="""
<script src="/official.js"></script>
<script>
tracker.init({
  domain: "official.example", endpoint: "COLLECTOR/api/event", outboundLinks: true,
  fileDownloads: true, formSubmissions: true, customProperties: {theme: "dark"},
})
</script>""",
    scripts={"/official.js": partial(bundle, OFFICIAL)},
    clock=True,
    attribution=FROM_HACKER_NEWS,
    steps=the_usual("official.example", "tracker.track", THEME, depth_after_push=50),
    visit=the_usual_visit(THEME),
)


def goes_through_hashes(props: Row) -> list[Step]:
    """Return the steps for an application whose pages are in the fragment."""
    return [
        Step("opens an application", opens("/app#/one"), [pageview("/app#/one", props)]),
        Step(
            "goes on to another of its pages",
            runs("location.hash = '/two?sort=up'"),
            [engagement("/app#/one", props), pageview("/app#/two?sort=up", props)],
        ),
        Step(
            "goes back",
            runs("history.back()"),
            [engagement("/app#/two?sort=up", props), pageview("/app#/one", props)],
        ),
        Step("leaves", leaves(), [engagement("/app#/one", props)]),
    ]


HASHES_VISIT: Row = {
    "entry_page": "/app#/one",
    "exit_page": "/app#/one",
    "pageviews": 3,
    "events": 3,
    "duration": SHORT,
}

OFFICIAL_HASHES = Journey(
    tracker=f"{OFFICIAL.name} {OFFICIAL.version}, hash-based routing",
    site="official-hash.example",
    head="""
<script src="/official.js"></script>
<script>
tracker.init({
  domain: "official-hash.example", endpoint: "COLLECTOR/api/event", hashBasedRouting: true,
})
</script>""",
    scripts={"/official.js": partial(bundle, OFFICIAL)},
    steps=goes_through_hashes({}),
    visit=HASHES_VISIT,
)

TRACKER_MODULE = Journey(
    tracker=f"{PLAUSIBLE_TRACKER.name} {PLAUSIBLE_TRACKER.version}",
    site="tracker.example",
    head="""
<script src="/plausible-tracker.js"></script>
<script>
const plausible = tracker.default({domain: "tracker.example", apiHost: "COLLECTOR"})
plausible.enableAutoPageviews()
addEventListener("DOMContentLoaded", () => plausible.enableAutoOutboundTracking())
</script>""",
    scripts={"/plausible-tracker.js": partial(bundle, PLAUSIBLE_TRACKER)},
    attribution=FROM_HACKER_NEWS,
    steps=[
        arrives({}),
        Step(
            "goes on to the application's next page",
            runs("history.pushState({}, '', '/pricing')"),
            [pageview("/pricing", {})],
        ),
        Step("goes back", runs("history.back()"), [pageview("/landing", {})]),
        Step(
            "signs up: a custom event with properties",
            runs("plausible.trackEvent('Signup', {props: {plan: 'pro', seats: 3, trial: true}})"),
            [event("Signup", "/landing", {"plan": "pro", "seats": "3", "trial": "true"})],
        ),
        Step(
            "follows a link to another site",
            clicks("#outbound"),
            [event("Outbound Link: Click", "/landing", {"url": ELSEWHERE})],
        ),
    ],
    visit={
        "entry_page": "/landing",
        "exit_page": "/landing",
        "pageviews": 3,
        "events": 5,
        "duration": SHORT,
    },
)

TRACKER_HASHES = Journey(
    tracker=f"{PLAUSIBLE_TRACKER.name} {PLAUSIBLE_TRACKER.version}, hash mode",
    site="tracker-hash.example",
    head="""
<script src="/plausible-tracker.js"></script>
<script>
tracker.default({
  domain: "tracker-hash.example", apiHost: "COLLECTOR", hashMode: true,
}).enableAutoPageviews()
</script>""",
    scripts={"/plausible-tracker.js": partial(bundle, PLAUSIBLE_TRACKER)},
    steps=[
        Step("opens an application", opens("/app#/one"), [pageview("/app#/one", {})]),
        Step(
            "goes on to another of its pages; this tracker counts both popstate and hashchange",
            runs("location.hash = '/two'"),
            [pageview("/app#/two", {}), pageview("/app#/two", {})],
        ),
    ],
    visit={
        "entry_page": "/app#/one",
        "exit_page": "/app#/two",
        "pageviews": 3,
        "events": 3,
        "duration": SHORT,
    },
)

CLIENT_MODULE = Journey(
    tracker=f"{PLAUSIBLE_CLIENT.name} {PLAUSIBLE_CLIENT.version}",
    site="client.example",
    head="""
<script src="/plausible-client.js"></script>
<script>
const plausible = new tracker.Plausible({domain: "client.example", apiHost: "COLLECTOR"})
tracker.enableAutoPageviews(plausible)
tracker.enableAutoOutboundTracking(plausible, {captureText: true})
tracker.enableEngagementTracking(plausible)
</script>""",
    scripts={"/plausible-client.js": partial(bundle, PLAUSIBLE_CLIENT)},
    attribution=FROM_HACKER_NEWS,
    steps=[
        arrives({}),
        Step(
            "scrolls to the end; engagement is a custom event of this tracker's",
            scrolls(2280),
            [event("Page engagement", "/landing", {"scrollDepth": "100", "timeOnPage": SHORT})],
        ),
        Step(
            "goes on to the application's next page",
            runs("history.pushState({}, '', '/pricing')"),
            [pageview("/pricing", {})],
        ),
        Step(
            "signs up: a custom event with properties, one of them null",
            runs("plausible.sendEvent('Signup', {props: {plan: 'pro', seats: 3, none: null}})"),
            [event("Signup", "/pricing", {"plan": "pro", "seats": "3"})],
        ),
        Step(
            "buys something for 19.90 dollars",
            runs("plausible.sendEvent('Purchase', {revenue: {amount: 19.9, currency: 'USD'}})"),
            [event("Purchase", "/pricing", {}, **IN_EUROS)],
        ),
        Step(
            "follows a link to another site",
            # A mouse click would first scroll to the link, which would be another engagement.
            runs("setTimeout(() => document.querySelector('#outbound').click())"),
            [event("Outbound Link: Click", "/pricing", {"url": ELSEWHERE, "text": "elsewhere"})],
        ),
    ],
    visit={
        "entry_page": "/landing",
        "exit_page": "/pricing",
        "pageviews": 2,
        "events": 6,
        "duration": SHORT,
    },
)

OWN = Journey(
    tracker="Sluice's own",
    site="own.example",
    head="""
<script defer src="COLLECTOR/js/script.js" data-domain="own.example" data-outbound data-downloads
        data-forms data-props='{"theme": "dark"}'></script>""",
    clock=True,
    attribution=FROM_HACKER_NEWS,
    steps=the_usual("own.example", "plausible", THEME, depth_after_push=SCREEN),
    visit=the_usual_visit(THEME),
)

OWN_HASHES = Journey(
    tracker="Sluice's own, hash-based routing",
    site="own-hash.example",
    head='<script src="COLLECTOR/js/script.js" data-domain="own-hash.example" data-hash></script>',
    steps=goes_through_hashes({}),
    visit=HASHES_VISIT,
)

OWN_AS_OLD_SNIPPET = Journey(
    tracker="Sluice's own, by the snippet for Plausible's older script",
    site="own-old.example",
    head="""
<script defer data-domain="own-old.example" event-theme="dark"
        src="COLLECTOR/js/script.file-downloads.outbound-links.pageview-props.revenue.js"></script>
<script>
window.plausible = window.plausible || function() {
  (window.plausible.q = window.plausible.q || []).push(arguments)
}
</script>""",
    steps=[
        Step("opens a page", opens("/a"), [pageview("/a", THEME)]),
        Step(
            "downloads a file",
            clicks("#file"),
            [
                event(
                    "File Download",
                    "/a",
                    {**THEME, "url": "http://own-old.example:PORT/files/report.pdf"},
                )
            ],
        ),
        Step(
            "follows a link to another site",
            clicks("#outbound"),
            [
                event("Outbound Link: Click", "/a", {**THEME, "url": ELSEWHERE}),
                engagement("/a", THEME),
            ],
        ),
    ],
    visit={
        "entry_page": "/a",
        "entry_props": THEME,
        "exit_page": "/a",
        "pageviews": 1,
        "events": 3,
        "duration": SHORT,
    },
)

OWN_AS_NEW_SNIPPET = Journey(
    tracker="Sluice's own, by the snippet for Plausible's newer script",
    site="own-new.example",
    head="""
<script async src="COLLECTOR/js/script.js"></script>
<script>
window.plausible = window.plausible || function() {
  (plausible.q = plausible.q || []).push(arguments)
}
plausible.init = plausible.init || function(options) { plausible.o = options || {} }
plausible.init({
  domain: "own-new.example", endpoint: "COLLECTOR/api/event", hashBasedRouting: true,
  fileDownloads: {fileExtensions: ["pdf"]}, outboundLinks: true,
  customProperties: name => ({of: name}),
  transformRequest: event =>
    event.n == "Secret" ? null : {...event, u: event.u.replace("me", "you")},
})
</script>""",
    steps=[
        Step("opens a page", opens("/me#1"), [pageview("/you#1", {"of": "pageview"})]),
        Step(
            "does something that the page keeps to itself, and something else",
            runs("plausible('Secret'); plausible('Open')"),
            [event("Open", "/you#1", {"of": "Open"})],
        ),
        Step(
            "downloads a file",
            clicks("#file"),
            [
                event(
                    "File Download",
                    "/you#1",
                    {"of": "File Download", "url": "http://own-new.example:PORT/files/report.pdf"},
                )
            ],
        ),
        Step("leaves", leaves(), [engagement("/you#1", {"of": "pageview"})]),
    ],
    visit={
        "entry_page": "/you#1",
        "entry_props": {"of": "pageview"},
        "exit_page": "/you#1",
        "pageviews": 1,
        "events": 3,
        "duration": SHORT,
    },
)


def clicks_what_is_tagged(*, tagged: bool) -> list[Step]:
    """Return the steps on a page whose elements have classes of events.

    Args:
        tagged: Whether the tracker takes events from classes.
    """

    def rows(*expected: Row) -> list[Row]:
        return list(expected) if tagged else []

    return [
        Step("opens a page", does(opens("/"), runs(ADD_TAGGED)), [pageview("/", {})]),
        Step(
            "clicks on an element whose third parent has the classes, and on one deeper inside",
            runs("document.querySelector('i').click(); document.querySelector('i u').click()"),
            rows(event("Sign Up", "/", {"plan": "pro", "seats": "3", "a--b": "c d"})),
        ),
        Step(
            "clicks on a link to another site, with the middle button, then with the right one",
            runs(
                "for (const button of [1, 2]) document.querySelector('#tagged i').dispatchEvent("
                "new MouseEvent('auxclick', {button, bubbles: true, composed: true}))"
            ),
            rows(event("Leave", "/", {"url": "https://left.example/a?b=c#d"})),
        ),
        Step(
            "buys something for 19.90 dollars",
            runs("document.querySelector('#buy').click()"),
            rows(event("Purchase", "/", {"tier": "gold"}, **IN_EUROS)),
        ),
        Step(
            "clicks in a form, and submits it",
            runs("document.querySelector('#ask button').click()"),
            rows(event("Ask", "/", {"from": "form"})),
        ),
        Step("leaves", leaves(), [engagement("/", {})]),
    ]


ADD_TAGGED = """
addEventListener('submit', event => event.preventDefault());
document.body.insertAdjacentHTML('beforeend', `
<div class="x plausible-event-name=Sign+Up plausible-event-plan=pro plausible-event-seats--3
            plausible-event-a--b=c+d"><p><b><i>in<u>side</u></i></b></p></div>
<p><a id="tagged" class="plausible-event-name--Leave" href="https://left.example/a?b=c#d"><i>x</i></a>
<button id="buy" class="plausible-event-name=Purchase plausible-event-tier=gold
  plausible-revenue-amount=19.9 plausible-revenue-currency=USD">buy</button>
<form id="ask" class="plausible-event-name=Ask plausible-event-from=form">
<button class="plausible-event-name=Nothing">ask</button></form>`)
"""


def visit_of_what_is_tagged(*, tagged: bool) -> Row:
    """Return the session of the steps in `clicks_what_is_tagged`."""
    return {
        "entry_page": "/",
        "exit_page": "/",
        "pageviews": 1,
        "events": 5 if tagged else 1,
        "is_bounce": int(not tagged),
        "duration": SHORT,
    }


OFFICIAL_TAGGED = Journey(
    tracker=f"{OFFICIAL.name} {OFFICIAL.version}, events in classes",
    site="official-tagged.example",
    head="""
<script src="/official.js"></script>
<script>
tracker.init({
  domain: "official-tagged.example", endpoint: "COLLECTOR/api/event", outboundLinks: true,
  formSubmissions: true,
})
</script>""",
    scripts={"/official.js": partial(bundle, OFFICIAL)},
    steps=clicks_what_is_tagged(tagged=True),
    visit=visit_of_what_is_tagged(tagged=True),
)

OWN_TAGGED = Journey(
    tracker="Sluice's own, events in classes, by the snippet for Plausible's older script",
    site="own-tagged.example",
    head='<script defer data-domain="own-tagged.example" '
    'src="COLLECTOR/js/script.tagged-events.outbound-links.js"></script>',
    steps=clicks_what_is_tagged(tagged=True),
    visit=visit_of_what_is_tagged(tagged=True),
)

OWN_UNTAGGED = Journey(
    tracker="Sluice's own, without events in classes, by the oldest snippet",
    site="own-untagged.example",
    head='<script async defer data-domain="own-untagged.example" '
    'src="COLLECTOR/js/plausible.js"></script>',
    steps=clicks_what_is_tagged(tagged=False),
    visit=visit_of_what_is_tagged(tagged=False),
)

SNIPPET_OF_A_SITE = """
<script async src="COLLECTOR/js/pa-SCRIPT.js"></script>
<script>
  window.plausible=window.plausible||function(){(plausible.q=plausible.q||[]).push(arguments)},
  plausible.init=plausible.init||function(i){plausible.o=i||{}};
  plausible.init(OPTIONS)
</script>"""
"""Plausible's newest snippet."""


def snippet(script: SiteScript, options: str = "") -> str:
    """Return the snippet with a site's own script."""
    return SNIPPET_OF_A_SITE.replace("SCRIPT", script.id).replace("OPTIONS", options)


OF_A_SITE = SiteScript("q1_Zx-9", True, True, True)
OWN_OF_A_SITE = Journey(
    tracker="Sluice's own, the script of a site",
    site="own-of-site.example",
    head=snippet(OF_A_SITE),
    script=OF_A_SITE,
    clock=True,
    attribution=FROM_HACKER_NEWS,
    steps=the_usual("own-of-site.example", "plausible", {}, depth_after_push=SCREEN),
    visit=the_usual_visit({}),
)

OF_A_SITE_TAGGED = SiteScript("tagged", outbound_links=True, form_submissions=True)
OWN_OF_A_SITE_TAGGED = Journey(
    tracker="Sluice's own, the script of a site, events in classes",
    site="own-of-site-tagged.example",
    head=snippet(OF_A_SITE_TAGGED),
    script=OF_A_SITE_TAGGED,
    steps=clicks_what_is_tagged(tagged=True),
    visit=visit_of_what_is_tagged(tagged=True),
)

OF_A_SITE_WITH_HASHES = SiteScript("hashed", outbound_links=True)
OWN_OF_A_SITE_WITH_HASHES = Journey(
    tracker="Sluice's own, the script of a site, with options of the page",
    site="own-of-site-hash.example",
    head=snippet(
        OF_A_SITE_WITH_HASHES,
        '{hashBasedRouting: true, outboundLinks: false, customProperties: {theme: "dark"}}',
    ),
    script=OF_A_SITE_WITH_HASHES,
    steps=[
        *goes_through_hashes(THEME)[:-1],
        Step("leaves", clicks("#outbound"), [engagement("/app#/one", THEME)]),
    ],
    visit={**HASHES_VISIT, "entry_props": THEME},
)

BY_HAND = Journey(
    tracker="a page's own code",
    site="by-hand.example",
    head="",
    steps=[
        Step(
            "sends a beacon, text/plain",
            does(
                opens("/beacon"),
                runs(
                    "navigator.sendBeacon(collector, JSON.stringify("
                    "{n: 'pageview', u: location.href, d: 'by-hand.example'}))"
                ),
            ),
            [pageview("/beacon", {})],
        ),
        Step(
            "sends a beacon of another type: a form",
            runs(
                "const form = new FormData(); form.set('n', 'Form beacon'); "
                "form.set('u', location.href); form.set('d', 'by-hand.example'); "
                "form.set('p[key]', 'value'); navigator.sendBeacon(collector, form)"
            ),
            [event("Form beacon", "/beacon", {"key": "value"})],
        ),
        Step(
            "sends a beacon of JSON, for which the browser asks beforehand, with credentials",
            runs(
                "navigator.sendBeacon(collector, new Blob([JSON.stringify("
                "{n: 'JSON beacon', u: location.href, d: 'by-hand.example'})], "
                "{type: 'application/json'}))"
            ),
            [event("JSON beacon", "/beacon", {})],
        ),
        Step(
            "sends JSON, for which the browser asks beforehand",
            runs(
                "const answer = await fetch(collector, {method: 'POST', "
                "headers: {'content-type': 'application/json'}, "
                "body: JSON.stringify({name: 'JSON', url: location.href, "
                "domain: 'by-hand.example', props: {a: 1}})}); "
                "if (answer.status != 202 || await answer.text() != 'ok') throw answer.status"
            ),
            [event("JSON", "/beacon", {"a": "1"})],
        ),
        Step(
            "sends to two sites of which one is unknown, and reads how many were dropped",
            runs(
                "const answer = await fetch(collector, {method: 'POST', body: JSON.stringify("
                "{n: 'Two', u: location.href, d: 'by-hand.example,unknown.example'})}); "
                "if (answer.headers.get('x-plausible-dropped') != '1') throw 'not told'"
            ),
            [event("Two", "/beacon", {})],
        ),
        Step(
            "reads what was wrong with an event",
            runs(
                "const answer = await fetch(collector, {method: 'POST', body: '{}'}); "
                "const {errors} = await answer.json(); "
                "if (answer.status != 400 || errors.url[0] != 'is required') throw 'not told'"
            ),
        ),
        Step(
            "leaves; the page sends a keepalive request and a beacon while it ends",
            does(
                runs(
                    "for (const type of ['pagehide', 'visibilitychange']) "
                    "addEventListener(type, () => fetch(collector, {method: 'POST', "
                    "keepalive: true, body: JSON.stringify({n: type, u: location.href, "
                    "d: 'by-hand.example'})})); "
                    "addEventListener('pagehide', () => navigator.sendBeacon(collector, "
                    "JSON.stringify({n: 'beacon', u: location.href, d: 'by-hand.example'})))"
                ),
                leaves(),
            ),
            [
                event("pagehide", "/beacon", {}),
                event("visibilitychange", "/beacon", {}),
                event("beacon", "/beacon", {}),
            ],
        ),
    ],
    visit={
        "entry_page": "/beacon",
        "exit_page": "/beacon",
        "pageviews": 1,
        "events": 8,
        "duration": SHORT,
    },
)

JOURNEYS = [
    OFFICIAL_MODULE,
    OFFICIAL_HASHES,
    TRACKER_MODULE,
    TRACKER_HASHES,
    CLIENT_MODULE,
    OWN,
    OWN_HASHES,
    OWN_AS_OLD_SNIPPET,
    OWN_AS_NEW_SNIPPET,
    OFFICIAL_TAGGED,
    OWN_TAGGED,
    OWN_UNTAGGED,
    OWN_OF_A_SITE,
    OWN_OF_A_SITE_TAGGED,
    OWN_OF_A_SITE_WITH_HASHES,
    BY_HAND,
]
