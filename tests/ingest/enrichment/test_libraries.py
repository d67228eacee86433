import pytest

from ingest.enrichment.libraries import find_library

LIBRARIES = {
    "python-requests/2.31.0": ("Python Requests", "2.31"),
    "python-httpx/0.27.0": ("HTTPX", "0.27"),
    "Python/3.11 aiohttp/3.9.1": ("aiohttp", "3.9"),
    "Python-urllib/3.11": ("Python urllib", "3.11"),
    "curl/8.4.0": ("curl", "8.4"),
    "Wget/1.21.4": ("Wget", "1.21"),
    "Go-http-client/2.0": ("Go-http-client", "2.0"),
    "node": ("Node", ""),
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)": ("Node Fetch", "1.0"),
    "got (https://github.com/sindresorhus/got)": ("got", ""),
    "axios/1.6.2": ("Axios", "1.6"),
    "undici": ("undici", ""),
    "Deno/1.40.0": ("Deno", "1.40"),
    "Bun/1.0.25": ("Bun", "1.0"),
    "okhttp/4.12.0": ("OkHttp", "4.12"),
    "Apache-HttpClient/4.5.13 (Java/11.0.20)": ("Apache HTTP Client", "4.5"),
    "Java/17.0.9": ("Java", "17.0"),
    "Java-http-client/17.0.9": ("Java HTTP Client", "17.0"),
    "Ruby": ("ruby", ""),
    "Faraday v2.7.11": ("Faraday", "2.7"),
    "GuzzleHttp/7": ("Guzzle (PHP HTTP Client)", "7"),
    "Symfony HttpClient/Curl": ("Symfony", ""),
    "libwww-perl/6.67": ("Perl", "6.67"),
    "PostmanRuntime/7.36.0": ("Postman Desktop", "7.36"),
    "Dart/3.2 (dart:io)": ("Dart", "3.2"),
    "go-resty/2.11.0 (https://github.com/go-resty/resty)": ("Resty", "2.11"),
}


@pytest.mark.parametrize(("agent", "expected"), LIBRARIES.items(), ids=LIBRARIES)
def test_libraries(agent: str, expected: tuple[str, str]) -> None:
    assert find_library(agent) == expected
    assert find_library(agent.upper()) == expected


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "curling club",
        "My python-requests",
        "python-requests/2.31 (compatible; ExampleBot/1.0)",
        "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    ],
)
def test_others(agent: str) -> None:
    assert find_library(agent) is None
