"""Events and traces as lines for a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ingest.commands.output import printable

_DOMAIN_WIDTH: Final = 24
_REASON_WIDTH: Final = 25
_RULE_WIDTH: Final = 40
_NAME_WIDTH: Final = 12
_PAGE_WIDTH: Final = 40
_STAGE_WIDTH: Final = 10
_STEP_WIDTH: Final = 18

DROPS_HEAD: Final = (
    f"{'time (UTC)':<19}  {'domain':<{_DOMAIN_WIDTH}}  {'reason':<{_REASON_WIDTH}}  "
    f"{'what hit':<{_RULE_WIDTH}}  event and page"
)
ACCEPTED_HEAD: Final = (
    f"{'time (UTC)':<19}  {'domain':<{_DOMAIN_WIDTH}}  {'event':<{_NAME_WIDTH}}  "
    f"{'page':<{_PAGE_WIDTH}}  source, country, device"
)


def drop_line(event: Mapping[str, Any]) -> str:
    """One drop, in the columns of `DROPS_HEAD`."""
    return printable(
        f"{moment(event['at'])}  {event['domain']:<{_DOMAIN_WIDTH}}  "
        f"{event['reason']:<{_REASON_WIDTH}}  {event['rule']:<{_RULE_WIDTH}}  "
        f"{event['name']} {event['hostname']}{event['pathname']}"
    )


def accepted_line(event: Mapping[str, Any]) -> str:
    """One accepted event, in the columns of `ACCEPTED_HEAD`."""
    device = " ".join(
        filter(None, (event["browser"], event["operating_system"], event["screen_size"]))
    )
    about = ", ".join(filter(None, (event["referrer_source"], event["country_code"], device)))
    page = f"{event['hostname']}{event['pathname']}"
    return printable(
        f"{moment(event['at'])}  {event['domain']:<{_DOMAIN_WIDTH}}  "
        f"{event['name']:<{_NAME_WIDTH}}  {page:<{_PAGE_WIDTH}}  {about}".rstrip()
    )


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report of `POST /api/event/validate` on a valid event."""
    answer = report["answer"]
    yield f"answer: {answer['status']}"
    for name, value in answer["headers"].items():
        yield printable(f"  {name}: {value}")
    yield from client_lines(report["client"])
    for trace in report["domains"]:
        yield ""
        yield from trace_lines(trace)


def client_lines(client: Mapping[str, Any]) -> Iterator[str]:
    """Where the visitor's address came from."""
    peer = client["peer"]
    trusted = "trusted" if peer["trusted"] else "not trusted"
    yield f"client: {_address(client)}, from {client['source']}"
    yield f"  peer: {_address(peer)}, {trusted}"
    if client["headers_ignored"]:
        yield f"  ignored: {', '.join(client['headers_ignored'])} ({client['why_ignored']})"


def trace_lines(trace: Mapping[str, Any]) -> Iterator[str]:
    """The trace of an event for one domain."""
    if trace["accepted"]:
        yield printable(f"{trace['domain']}: accepted")
    else:
        yield printable(f"{trace['domain']}: dropped, {trace['reason']}: {trace['rule']}")
    for step in trace["steps"]:
        time = "" if step["microseconds"] is None else f"{step['microseconds']:.1f} µs"
        yield printable(
            f"  {step['stage']:<{_STAGE_WIDTH}}  {step['step']:<{_STEP_WIDTH}}  "
            f"{step['outcome']:<7}  {time:>10}  {_facts(step['found'])}".rstrip()
        )
    visit = trace["visit"]
    if visit is not None:
        yield f"  visit {'begins' if visit['begins'] else 'goes on'}: {_facts(visit)}"
    for table, rows in trace["rows"].items():
        for row in rows:
            yield printable(f"  {table}: {_facts(row)}")


def error_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report on an invalid event."""
    for field, messages in report["errors"].items():
        for message in messages:
            yield printable(f"{field}: {message}")
    understood = report.get("understood")
    if understood is None:
        return
    request = understood["request"]
    yield f"the body was read as {request['read_as']}"
    for title, part in (("keys", "keys"), ("fields without a mistake", "fields")):
        if request.get(part):
            yield printable(f"{title}: {_facts(request[part])}")
    if request.get("keys_ignored"):
        yield printable(f"keys without a meaning: {', '.join(request['keys_ignored'])}")
    yield from client_lines(understood["client"])


def _facts(facts: Mapping[str, Any]) -> str:
    """Names and values, without those that are empty."""
    return "  ".join(_fact(name, value) for name, value in facts.items() if not _is_empty(value))


def _fact(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{name}={'yes' if value else 'no'}"
    if isinstance(value, list):
        return f"{name}={_listed(value)}"
    return f"{name}={value}"


def _listed(values: Iterable[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _address(told: Mapping[str, Any]) -> str:
    if told["version"] is None:
        return "no address" if told["class"] == "none" else "an invalid address"
    return f"{told['class']} IPv{told['version']} address in {told['network']}"


def moment(seconds: int) -> str:
    """A time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
