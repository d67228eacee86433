"""Detects HTTP libraries, which are used by programs that send events and are not crawlers."""

import re
from types import MappingProxyType
from typing import Final

from ingest.enrichment.crawlers import is_crawler

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
        "grequests": "GRequests",
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
        "libsoup": "libsoup",
        "libwww-perl": "Perl",
        "lwp::simple": "Perl",
        "mint": "Mint",
        "needle": "Needle",
        "node": "Node",
        "node-fetch": "Node Fetch",
        "node.js": "Node",
        "node-superagent": "superagent",
        "okhttp": "OkHttp",
        "php": "PHP",
        "php-curl-class": "PHP cURL Class",
        "postmanruntime": "Postman Desktop",
        "powershell": "PowerShell",
        "pycurl": "curl",
        "python requests": "Python Requests",
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
"""Names of HTTP libraries in rows, by product name in lower case."""

LIBRARY_NAMES: Final = frozenset(LIBRARIES.values())

# A library's agent begins with its product. The rest may still identify a crawler.
_LIBRARY: Final = re.compile(
    r"(?:python/[0-9.]+ )?"
    rf"(?P<name>{'|'.join(map(re.escape, sorted(LIBRARIES, key=len, reverse=True)))})"
    r"(?:[/ ]v?(?P<version>[0-9]+(?:\.[0-9]+)?)[^\s;,()]*)?"
    r"(?:/curl)?(?![^\s;,()/])"
    r"(?: (?:\(\+?|- )https://github\.com/[\w.-]+/[\w.-]+\)?)?",
    re.IGNORECASE | re.ASCII,
)


def find_library(user_agent: str) -> tuple[str, str] | None:
    """Find an HTTP library in an agent, such as `python-requests/2.31.0`.

    Returns:
        The library's name and the first two parts of its version, which may be empty; None for
        other agents, including crawlers that use a library and add their name.
    """
    match = _LIBRARY.match(user_agent)
    if match is None or is_crawler(user_agent[match.end() :]):
        return None
    return LIBRARIES[match["name"].lower()], match["version"] or ""
