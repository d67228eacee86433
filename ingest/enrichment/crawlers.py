"""Recognises crawlers, monitors and scanners by their user agents."""

import re
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from ingest.enrichment.pattern_set import CaselessPatternSet

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

_LIBRARIES_LISTED: Final = frozenset(
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
"""Patterns of the list that match HTTP libraries, which are used by servers and apps."""

_WORDS_OF_CRAWLERS: Final = (
    r"crawl|spider|(?:^|[^u])bot\b",  # Cubot makes telephones
    r"[a-z](?:analy[sz]er|checker|fetcher|monitor|scanner|validator|verifier)\b",
    r"\b(?:analy[sz]er|audit|checker|fetcher|monitor|monitoring|previewer|probe|scanner|survey)\b",
    r"\b(?:validator|verifier)\b",
    r"headless|link ?(?:check|preview)|transcoder|user[-_ ]?agent",
    r"\bjndi:|\$\{|<\?php|<script|\(\) ?\{|/etc/passwd",  # attacks
    r"\b[0-9]+ subscribers?\b",
)
"""Words in the names of crawlers that also occur in names of devices and companies."""

_CONTACTS: Final = (
    r"\+ ?https?://|\bvia [a-z0-9.-]+\.[a-z]",
    r"[\w.+-]+(?:@|\[at\]|\(at\))[a-z0-9-]+\.[a-z]{2,}|mailto:",
)
"""A crawler's contact: no browser's user agent contains a URL or a mail address."""

_MORE_NAMES: Final = (
    # Programs that drive a browser.
    r"observatory|pageburst|yottaa|functionize|synthetics?\b|uptime|webpagetest|\bptst/|gtmetrix",
    r"catchpoint|thousandeyes|gomez ?agent|dejaclick|alertsite|statuscake|site24x7|speedcurve",
    r"dareboost|browsershots|ghostinspector|lighthouse|pagespeed|web ?preview|convertify|mixnode",
    r"\b(?:cypress|phantomjs|playwright|puppeteer|selenium|slimerjs|splash|webdriver)/",
    # Clients of the large services.
    r"\bgoogle-(?:[a-z]{4}|ads)|google_partner|\(KHTML, like Gecko; Google",
    r"facebook(?:external|catalog|platform)|meta-external",
    r"^(?:ApacheBench|arachni|COMODO|ELB-HealthChecker|PayPal IPN|Amazon.Route ?53|k6)\b",
)
"""Names of clients that the list does not have."""

_UNLESS_PLATFORM: Final = (
    # Activities of programs, as a verb, a noun or a name; not as a part of a word like checkout.
    r"(?:analy[sz]|archiv|check|collect|detect|discover|expand|extract|fetch|grab|harvest|index|"
    r"lookup|monitor|preview|prob|resolv|scan|scrap|search|validat|verif)"
    r"(?:ation|e|er|ers|es|ication|ing|ion|or|ory|s|y)?(?:\b|_)",
    r"(?:audit|e-?mail|fingerprint|inject|intelligence|lead(?:gen|s)?|pentest|recon|research)\b",
    r"(?:review|screenshot|security|sitemap|study|survey)s?\b",
    r"cyber|exploit|honeypot|malware|phish|threat|vuln|sectxt|hack|attack",
    r"censys|hakai|kowai|l9(?:explore|tcpid)|masscan|mirai|nikto|nmap|nuclei|shodan|sqlmap|zgrab",
    # Monitors, security products, servers and their tests.
    r"cachet|cronitor|freshping|icinga|munin|prometheus|\bmonit/|\benvoy/|wappalyzer|builtwith",
    r"barracuda|binaryedge|kaspersky|leakix|mcafee|mimecast|netcraft|netsparker|proofpoint|symantec",
    r"stretchoid|webroot|wordfence|domaintools|hookshot|bitbucket|gitlab|jenkins|\bsnyk\b",
    r"wordpress|drupal|matomo/|typo3|\bsolr\b|web services client|url control|imgix|cloudinary",
    r"akkoma|castopod|diaspora|funkwhale|hubzilla|misskey|peertube|pixelfed|pleroma",
    r"artillery|gatling|jmeter|locust|\bsiege/|vegeta|wallabag|pinboard|hootsuite|sprinklr",
    r"^google|proxy|feed(?:er|parser|reader|s)?(?:\b|_)|\bfeed[a-z]|\brss\b.*reader",
)
"""Words in the agents of programs, if the agent does not name a platform."""

_WEB_ADDRESS: Final = CaselessPatternSet((r"https?://",))
_ADDRESS: Final = CaselessPatternSet(
    (r"https?://|[a-z0-9]\.(?:ch|com|dev|eu|fm|fun|info|io|net|org|party|site)\b",)
)
_PODCASTS: Final = CaselessPatternSet((r"cast|pod|omea|torrent|breaker",))
"""Words in the agents of users' applications that contain a home page."""

_BROWSER: Final = re.compile(r"(?:Mozilla/[45]\.0 ?\((?!compatible)|Dalvik/|Opera/)")
_MOZILLA: Final = re.compile(r"Mozilla/5\.0 ?\S")
_ENGINE: Final = CaselessPatternSet((r"webkit|gecko|khtml|trident|msie|presto|netfront|rv:[0-9]",))
_COMPATIBLE: Final = re.compile(
    r"Mozilla/[0-9.]+ \(compatible; "
    r"(?!MSIE|Konqueror|NetPositive|Webpositive|ANTGalio|Polaris|Linux|Windows|Gecko|ms-office|U;)"
    r"[A-Za-z][\w .-]*/[0-9]"
)
_PLATFORM: Final = CaselessPatternSet(
    (
        r"android|darwin|cfnetwork|\bip(?:hone|ad|od)|\bios\b|\b(?:tv|watch|ipad) ?os\b",
        r"windows|\bmac ?os|macintosh|\bosx\b|linux|\bx11\b|freebsd|haiku|beos|risc os|cros\b",
        r"blackberry|symbian|series ?60|midp|\bbrew\b|\bmre\b|\bmaui\b|bada|tizen|ucweb|j2me",
        r"exoplayer|hbbtv|\broku|vizio|playstation|nintendo|harmony|smart-?tv|webos|web0s|viera",
    )
)
_PATTERNS: Final = tuple(str(crawler["pattern"]) for crawler in CRAWLER_USER_AGENTS_DATA)


_LISTED: Final = CaselessPatternSet(
    (
        *(p for p in _PATTERNS if p not in _APPLICATION_NAMES and p not in _LIBRARIES_LISTED),
        *_MORE_NAMES,
    )
)
_WORDS: Final = CaselessPatternSet(_WORDS_OF_CRAWLERS)
_WITH_CONTACT: Final = CaselessPatternSet(_CONTACTS)
_WITHOUT_PLATFORM: Final = CaselessPatternSet(
    (*(p for p in _PATTERNS if p in _APPLICATION_NAMES), *_UNLESS_PLATFORM)
)


def begins_as_browser(user_agent: str) -> bool:
    """Whether an agent starts like a browser's."""
    return _BROWSER.match(user_agent) is not None


def is_crawler(user_agent: str) -> bool:
    """Whether an agent is on the list of known crawlers, or has a crawler's words.

    Patterns ignore case. In a browser's agent, words only count in the part with the names of
    clients, because a device may be called Spider 8, and a company Banca Caboto.
    """
    if _LISTED.matches(user_agent) or _COMPATIBLE.match(user_agent) is not None:
        return True
    browser = begins_as_browser(user_agent)
    clients = _clients(user_agent) if browser else user_agent
    if _WORDS.matches(clients) or (browser and _WEB_ADDRESS.matches(clients)):
        return True
    if _WITH_CONTACT.matches(clients) and not _PODCASTS.matches(clients):
        return True
    if _PLATFORM.matches(user_agent) or _ENGINE.matches(user_agent):
        return False
    if _MOZILLA.match(user_agent) is not None or _WITHOUT_PLATFORM.matches(user_agent):
        return True
    return _ADDRESS.matches(user_agent) and not _PODCASTS.matches(user_agent)


def _clients(user_agent: str) -> str:
    """Return a browser's agent without the device description in its first brackets."""
    device, _, clients = user_agent.partition(")")
    _, _, compatible = device.partition("compatible;")
    return compatible + clients
