import json

import pytest

from ingest.past.access_log import AccessLogReader
from ingest.past.formats import Format, UnknownFormatError, find_format, make_reader
from ingest.past.past_event import BrokenLineError
from tests.ingest.past.lines import COMBINED, options
from tests.ingest.past.test_event_lines import ITEM
from tests.ingest.past.test_goatcounter import HEADER, line
from tests.ingest.past.test_json_log import CADDY, NGINX

SAMPLES = {
    Format.ACCESS_LOG: [COMBINED.encode()],
    Format.JSON_LOG: [json.dumps(CADDY).encode(), json.dumps(NGINX).encode()],
    Format.GOATCOUNTER: [HEADER.encode(), line()],
    Format.EVENTS: [json.dumps(ITEM).encode()],
}


@pytest.mark.parametrize("form", list(Format))
def test_each_is_found(form: Format) -> None:
    assert find_format(SAMPLES[form], options()) is form
    assert find_format(SAMPLES[form], options(), form) is form
    # Empty lines and a few broken ones change nothing.
    assert find_format([*SAMPLES[form], b"", b"nonsense"], options()) is form


@pytest.mark.parametrize("form", list(Format))
def test_another_is_refused(form: Format) -> None:
    others = [other for other in Format if other is not form]
    for other in others:
        with pytest.raises(UnknownFormatError, match=f"not in the format {other.value}: "):
            find_format(SAMPLES[form], options(), other)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "it has no lines"),
        ([b"", b" "], "it has no lines"),
        ([b"nonsense"], "none of the formats access-log, json-log, goatcounter, events"),
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


def test_readers() -> None:
    assert isinstance(make_reader(Format.ACCESS_LOG, options(), b""), AccessLogReader)
    with pytest.raises(BrokenLineError):
        make_reader(Format.GOATCOUNTER, options(), b"")
