"""Telling crawlers, monitors and scanners from people by their user agents."""

import re
from collections.abc import Iterable
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from ingest.enrichment.pattern_set import PatternSet

_APPLICATION_NAMES: Final = frozenset(
    {
        r"008\/",
        r"AP3A\.240617\.008",  # a build of Android 15 that millions of phones have
        r"Adventurer",
        r"Asana\/",
        r"BTWebClient",
        r"Blackboard",
        r"Bluesky\/",
        r"Buck\/",
        r"Butterfly",
        r"Charlotte",
        r"Chirp|gotosocial",
        r"Code\/1\.",
        r"Daum\/",
        r"Disqus",
        r"Feedly",
        r"Fever",
        r"Fluid",
        r"Goodreads",
        r"Grammarly\/",
        r"Hello World",
        r"Instapaper\/",
        r"Magellan",
        r"Mastodon",
        r"MetaIAB Facebook",
        r"NewsBlur",
        r"NextCloud",
        r"Notion\/",
        r"Overcast\/",
        r"PayPal\/",
        r"PocketCasts\/",
        r"Podimo",
        r"RED\/",
        r"Retool\/",
        r"Salesforce\.com",
        r"Sogou",
        r"Sonic",
        r"Synapse",
        r"Trae\/",
        r"Trove",
        r"Trustly\/",
        r"Tumblr\/",
        r"Valve\/Steam",
        r"Viber",
        r"WhatsApp",
        r"Yeti",
        r"coccoc",
        r"ds9",
        r"fluffy",
        r"inoreader",
        r"linko",
        r"mail\.ru",
        r"speedy",
        r"upday\/",
    }
)
"""Patterns of the list that also occur in the agents of phones and of browsers inside apps."""

_LIBRARY_NAMES: Final = frozenset(
    {
        r"Go-http-client",
        r"Python-urllib",
        r"[wW]get",
        r"^Apache-HttpClient",
        r"^HTTPie\/",
        r"^PHP-Curl-Class",
        r"^curl",
        r"aiohttp",
        r"axios",
        r"httpx",
        r"libwww-perl",
        r"node-fetch",
        r"okhttp",
        r"python-requests",
        r"sindresorhus\/got",
    }
)
"""Patterns of the list that name HTTP libraries: these are senders, and apps are made with them."""

_MORE_PATTERNS: Final = (
    # How a crawler says whose it is: no browser names an address of the web or of mail.
    r"\+ ?https?://|\bvia [a-z0-9.-]+\.[a-z]",
    r"[\w.+-]+(?:@|\[at\]|\(at\))[a-z0-9-]+\.[a-z]{2,}|mailto:",
    # What a program does that is no browser, at the end of a name or as a word of its own.
    r"[a-z]crawl",
    r"[a-z](?:analy[sz]er|checker|fetcher|monitor|scanner|spider|validator|verifier)\b",
    r"\b(?:analy[sz]er|audit|checker|fetcher|monitor|monitoring|previewer|probe|scanner|spider)\b",
    r"\b(?:survey|validator|verifier)\b",
    r"headless|link ?(?:check|preview)|transcoder|user[-_ ]?agent|\bjndi:",
    # Programs that drive a browser.
    r"observatory|pageburst|yottaa|functionize|synthetics?\b|uptime|webpagetest|\bptst/|gtmetrix",
    r"catchpoint|thousandeyes|gomez ?agent|dejaclick|alertsite|statuscake|site24x7|speedcurve",
    r"dareboost|browsershots|ghostinspector|lighthouse|pagespeed|web ?preview|convertify|mixnode",
    r"\b(?:cypress|phantomjs|playwright|puppeteer|selenium|slimerjs|splash|webdriver)/",
    # Those of the great services.
    r"\bgoogle-(?:[a-z]{4}|ads)|google_partner|\(KHTML, like Gecko; Google",
    r"facebook(?:external|catalog|platform)|meta-external",
    r"^(?:ApacheBench|arachni|COMODO|ELB-HealthChecker|PayPal IPN|Amazon.Route ?53|k6)\b",
)
_UNLESS_BROWSER: Final = (r"bot\b", r"crawl", r"spider")
"""Words that are also found in models: a telephone may be called Cubot or Spider 8."""

_UNLESS_PLATFORM: Final = (
    r"archiv|check|detect|discover|extract|fetch|index|lookup|monitor|preview|probe|resolv|scan",
    r"analy[sz]|audit|e-?mail|research|review|search|study|survey|valid|verif|\bleads?(?:gen)?\b",
    r"cyber|exploit|phish|security|threat|vuln|sectxt",
    r"censys|hakai|kowai|l9(?:explore|tcpid)|masscan|mirai|nikto|nmap|nuclei|shodan|sqlmap|zgrab",
    r"^google|proxy|\bfeed ?[a-z]+er\b",
)
"""Words in the agents of programs that do not say what they run on."""

_WEB_ADDRESS: Final = PatternSet((r"(?i)https?://",))
_ADDRESS: Final = PatternSet(
    (r"(?i)https?://|[a-z0-9]\.(?:ch|com|dev|eu|fm|fun|info|io|net|org|party|site)\b",)
)
_PODCASTS: Final = PatternSet((r"(?i)cast|pod|reader|torrent|breaker",))
"""Words in the agents of applications that people use and that name their home page."""

_BROWSER: Final = re.compile(r"(?:Mozilla/[45]\.0 ?\((?!compatible)|Dalvik/|Opera/)")
_MOZILLA: Final = re.compile(r"Mozilla/5\.0 ?\S")
_ENGINE: Final = PatternSet((r"(?i)webkit|gecko|khtml|trident|msie|presto|netfront|rv:[0-9]",))
_COMPATIBLE: Final = re.compile(
    r"Mozilla/[0-9.]+ \(compatible; "
    r"(?!MSIE|Konqueror|NetPositive|Webpositive|ANTGalio|Polaris|Linux|Windows|Gecko|ms-office|U;)"
    r"[A-Za-z][\w .-]*/[0-9]"
)
_PLATFORM: Final = PatternSet(
    (
        r"(?i)android|darwin|cfnetwork|\bip(?:hone|ad|od)|\bios\b|\b(?:tv|watch|ipad) ?os\b",
        r"(?i)windows|\bmac ?os|macintosh|\bosx\b|linux|\bx11\b|freebsd|haiku|beos|risc os|cros\b",
        r"(?i)blackberry|symbian|series ?60|midp|\bbrew\b|\bmre\b|\bmaui\b|bada|tizen|ucweb|j2me",
        r"(?i)exoplayer|hbbtv|\broku|vizio|playstation|nintendo|harmony|smart-?tv|webos|web0s|viera",
    )
)
_PATTERNS: Final = tuple(str(crawler["pattern"]) for crawler in CRAWLER_USER_AGENTS_DATA)


def _ignoring_case(patterns: Iterable[str]) -> PatternSet:
    return PatternSet(f"(?i){pattern}" for pattern in patterns)


_CRAWLERS: Final = _ignoring_case(
    (
        *(p for p in _PATTERNS if p not in _APPLICATION_NAMES and p not in _LIBRARY_NAMES),
        *_MORE_PATTERNS,
    )
)
_NO_BROWSERS: Final = _ignoring_case(_UNLESS_BROWSER)
_WITHOUT_PLATFORM: Final = _ignoring_case(
    (*(p for p in _PATTERNS if p in _APPLICATION_NAMES), *_UNLESS_PLATFORM)
)


def is_crawler(user_agent: str) -> bool:
    """Whether an agent is on the list of known crawlers, or calls itself one.

    Patterns match without regard to case. A word that is also found in the names of devices and
    companies counts only where it names the client: not in the agent of a browser.
    """
    if _CRAWLERS.matches(user_agent) or _COMPATIBLE.match(user_agent) is not None:
        return True
    is_browser = _BROWSER.match(user_agent) is not None
    if (_WEB_ADDRESS if is_browser else _NO_BROWSERS).matches(user_agent):
        return True
    if _PLATFORM.matches(user_agent) or _ENGINE.matches(user_agent):
        return False
    if _MOZILLA.match(user_agent) is not None or _WITHOUT_PLATFORM.matches(user_agent):
        return True
    return _ADDRESS.matches(user_agent) and not _PODCASTS.matches(user_agent)
