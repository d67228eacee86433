"""Telling crawlers and library clients from browsers by their user agent."""

import re
from types import MappingProxyType
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

_MORE_PATTERNS: Final = (
    r"\+ ?https?://",
    r"(?i)[a-z]crawl",
    r"(?i)headless",
    r"(?i)link ?(?:check|preview)",
    r"(?i)transcoder",
    r"\(KHTML, like Gecko; Google",
    r"^(?:ApacheBench|COMODO|ELB-HealthChecker|PayPal IPN|Amazon.Route ?53|k6)\b",
)

LIBRARIES: Final = MappingProxyType(
    {
        "aiohttp": "aiohttp",
        "akka-http": "Akka HTTP",
        "apache-httpclient": "Apache HTTP Client",
        "axios": "Axios",
        "bun": "Bun",
        "curl": "curl",
        "dart": "Dart",
        "deno": "Deno",
        "elixir": "Elixir",
        "faraday": "Faraday",
        "fasthttp": "fasthttp",
        "finch": "Finch",
        "go-http-client": "Go-http-client",
        "go-resty": "Resty",
        "got": "got",
        "guzzle": "Guzzle (PHP HTTP Client)",
        "guzzlehttp": "Guzzle (PHP HTTP Client)",
        "hackney": "hackney",
        "http-tiny": "HTTP:Tiny",
        "http.rb": "http.rb",
        "httpie": "HTTPie",
        "insomnia": "Insomnia REST Client",
        "isahc": "isahc",
        "jakarta commons-httpclient": "Jakarta Commons HttpClient",
        "java": "Java",
        "java-http-client": "Java HTTP Client",
        "jersey": "Jersey",
        "ktor client": "Ktor Client",
        "ktor-client": "Ktor Client",
        "libcurl": "curl",
        "libwww-perl": "Perl",
        "lwp::simple": "Perl",
        "mint": "Mint",
        "needle": "Needle",
        "node": "Node",
        "node-fetch": "Node Fetch",
        "node-superagent": "superagent",
        "okhttp": "OkHttp",
        "php": "PHP",
        "php-curl-class": "PHP cURL Class",
        "postmanruntime": "Postman Desktop",
        "powershell": "PowerShell",
        "pycurl": "curl",
        "python-httpx": "HTTPX",
        "python-requests": "Python Requests",
        "python-urllib": "Python urllib",
        "python-urllib3": "Python urllib",
        "reactornetty": "ReactorNetty",
        "req": "Req",
        "reqwest": "reqwest",
        "rest-client": "REST Client for Ruby",
        "restsharp": "RestSharp",
        "ruby": "ruby",
        "symfony httpclient": "Symfony",
        "typhoeus": "Typhoeus",
        "undici": "undici",
        "unirest-java": "Unirest for Java",
        "ureq": "ureq",
        "urllib3": "Python urllib",
        "wget": "Wget",
        "wget2": "Wget",
    }
)
"""Product names of HTTP libraries, lower case, and what they are called in rows."""

# An agent is a library's if it begins with its product; what follows may still betray a crawler.
_LIBRARY: Final = re.compile(
    r"(?:python/[0-9.]+ )?"
    rf"(?P<name>{'|'.join(map(re.escape, sorted(LIBRARIES, key=len, reverse=True)))})"
    r"(?:[/ ]v?(?P<version>[0-9]+(?:\.[0-9]+)?)[^\s;,()]*)?"
    r"(?:/curl)?(?![^\s;,()/])"
    r"(?: (?:\(\+?|- )https://github\.com/[\w.-]+/[\w.-]+\)?)?",
    re.IGNORECASE | re.ASCII,
)
_BROWSER: Final = re.compile(r"(?:Mozilla/5\.0 \((?!compatible)|Dalvik/|Opera/)")


_PATTERNS: Final = tuple(str(crawler["pattern"]) for crawler in CRAWLER_USER_AGENTS_DATA)
_CRAWLERS: Final = PatternSet(
    [pattern for pattern in _PATTERNS if pattern not in _APPLICATION_NAMES] + list(_MORE_PATTERNS)
)
_UNLESS_BROWSERS: Final = PatternSet(  # a telephone may be called Cubot or Spider 8
    [
        *(pattern for pattern in _PATTERNS if pattern in _APPLICATION_NAMES),
        r"(?i)bot\b|crawl|spider",
    ]
)


def is_crawler(user_agent: str) -> bool:
    """Whether an agent is on the list of known crawlers, or calls itself one."""
    return _CRAWLERS.matches(user_agent) or (
        _BROWSER.match(user_agent) is None and _UNLESS_BROWSERS.matches(user_agent)
    )


def find_library(user_agent: str) -> tuple[str, str] | None:
    """Recognise the agent of an HTTP library, such as `python-requests/2.31.0`.

    Returns:
        The library's name and the first two parts of its version, which may be empty; None for all
        other agents, among them crawlers made with a library that add a name of their own.
    """
    match = _LIBRARY.match(user_agent)
    if match is None or is_crawler(user_agent[match.end() :]):
        return None
    return LIBRARIES[match["name"].lower()], match["version"] or ""
