import json

import pytest

from ingest.past.access_log import AccessLogReader
from ingest.past.formats import FOUND_OUT, Format, UnknownFormatError, find_format, make_reader
from ingest.past.past_event import BrokenLineError
from tests.ingest.past.lines import COMBINED, options
from tests.ingest.past.test_alb_log import ALB
from tests.ingest.past.test_event_lines import ITEM
from tests.ingest.past.test_goatcounter import HEADER, line
from tests.ingest.past.test_json_log import CADDY, NGINX, TRAEFIK
from tests.ingest.past.test_matomo import visit_lines
from tests.ingest.past.test_umami import HEADER as UMAMI_HEADER
from tests.ingest.past.test_umami import line as umami_line
from tests.ingest.past.test_w3c_log import CLOUDFRONT, CLOUDFRONT_HEADER, IIS, IIS_HEADER

SAMPLES = {
    Format.ACCESS_LOG: [COMBINED.encode()],
    Format.JSON_LOG: [
        json.dumps(CADDY).encode(),
        json.dumps(NGINX).encode(),
        json.dumps(TRAEFIK).encode(),
    ],
    Format.W3C: [*IIS_HEADER, IIS, CLOUDFRONT_HEADER[1], CLOUDFRONT],
    Format.ALB: [ALB.encode()],
    Format.GOATCOUNTER: [HEADER.encode(), line()],
    Format.UMAMI: [UMAMI_HEADER, umami_line()],
    Format.MATOMO: visit_lines(),
    Format.EVENTS: [json.dumps(ITEM).encode()],
}


@pytest.mark.parametrize("form", FOUND_OUT)
def test_each_is_found(form: Format) -> None:
    assert find_format(SAMPLES[form], options()) is form
    assert find_format(SAMPLES[form], options(), form) is form
    # Empty lines and a few broken ones change nothing.
    assert find_format([*SAMPLES[form], b"", b"nonsense"], options()) is form


@pytest.mark.parametrize("form", FOUND_OUT)
def test_another_is_refused(form: Format) -> None:
    others = [other for other in FOUND_OUT if other is not form]
    for other in others:
        with pytest.raises(UnknownFormatError, match=f"not in the format {other.value}: "):
            find_format(SAMPLES[form], options(), other)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "it has no lines"),
        ([b"", b" "], "it has no lines"),
        (
            [b"nonsense"],
            "json-log, w3c, alb, goatcounter, umami, matomo, events",
        ),
        ([b"nonsense"], "read as access-log: not like: address"),
        ([b"Nov " + COMBINED.encode()], "read as access-log: has neither an address nor"),
        ([b'{"time": 1, "path": "/a"}'], "read as json-log: has no address"),
        ([b"#Fields: date"], "read as w3c: #Fields names no time, c-ip"),
    ],
)
def test_no_format(lines: list[bytes], problem: str) -> None:
    with pytest.raises(UnknownFormatError, match=problem):
        find_format(lines, options())


@pytest.mark.parametrize("form", [Format.ACCESS_LOG, Format.GOATCOUNTER])
def test_the_site_has_to_be_named(form: Format) -> None:
    with pytest.raises(UnknownFormatError, match="name the site"):
        find_format(SAMPLES[form], options(site=None))


def test_a_line_that_names_its_host_needs_no_site() -> None:
    with_host = f"example.com:443 {COMBINED}".encode()
    assert find_format([with_host], options(site=None)) is Format.ACCESS_LOG


def test_a_pattern_is_used_if_it_is_wanted() -> None:
    pattern = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
    lines = [COMBINED.encode()]
    assert find_format(lines, options(pattern=pattern), Format.PATTERN) is Format.PATTERN
    with pytest.raises(UnknownFormatError, match="format pattern: the pattern has no time"):
        find_format(lines, options(pattern="%h"), Format.PATTERN)


def test_readers() -> None:
    assert isinstance(make_reader(Format.ACCESS_LOG, options(), [b""]), AccessLogReader)
    with pytest.raises(BrokenLineError):
        make_reader(Format.GOATCOUNTER, options(), [b""])
