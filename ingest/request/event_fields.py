"""The model of an event's fields, which finds every mistake and describes the fields."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ingest.request.field_values import (
    UNKNOWN_SCROLL_DEPTH,
    read_domains,
    read_engagement_time,
    read_event_name,
    read_hash_mode,
    read_referrer,
    read_scroll_depth,
    read_tracker_version,
    read_url,
)


class EventFields(BaseModel):
    """The body of `POST /api/event`: an object with these keys; others are ignored.

    If a key is absent, `null` or `false`, its alias is used; an empty string is a value.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_name: Annotated[
        str, BeforeValidator(read_event_name, json_schema_input_type=str | int)
    ] = Field(
        None,
        validate_default=True,
        description="Name of the event: `pageview`, `engagement` or any other, not blank, at "
        "most 120 characters (grapheme clusters). A number is taken as text.",
        examples=["pageview"],
    )
    url: Annotated[str, BeforeValidator(read_url, json_schema_input_type=str)] = Field(
        None,
        validate_default=True,
        description="Address of the page, at most 2000 bytes, of any scheme but `data`.",
        examples=["https://example.com/pricing?utm_source=newsletter"],
    )
    domains: Annotated[
        tuple[str, ...] | None, BeforeValidator(read_domains, json_schema_input_type=str)
    ] = Field(
        None,
        description="Domain of the site, or several separated by commas, at most 100. Without it "
        "the address's host is taken.",
        examples=["example.com"],
    )
    referrer: Annotated[
        str | None, BeforeValidator(read_referrer, json_schema_input_type=str | None)
    ] = Field(
        None,
        description="Address of the referring page; cut to 2000 characters.",
        examples=["https://news.ycombinator.com/"],
    )
    hash_mode: Annotated[int, BeforeValidator(read_hash_mode, json_schema_input_type=int | str)] = (
        Field(0, description="1: the address's fragment belongs to the path.")
    )
    props: Annotated[Any, Field(json_schema_extra={"type": ["object", "string"]})] = Field(
        None,
        description="Custom properties: an object, or a string with one as JSON. Values are text, "
        "numbers or booleans; others are left out. At most 30 are kept; keys have at most 300 "
        "bytes, values 2000.",
        examples=[{"plan": "pro"}],
    )
    revenue: Annotated[Any, Field(json_schema_extra={"type": ["object", "string"]})] = Field(
        None,
        description="An object, or a string with one as JSON, that has `amount` and `currency` "
        "(ISO 4217); ignored unless the site has a revenue goal for the event.",
        examples=[{"amount": "10.20", "currency": "USD"}],
    )
    interactive: bool = Field(
        default=True,
        description="Whether the event shows that the visitor did something; only `false` of a "
        "custom event has an effect.",
    )
    tracker_version: Annotated[
        int, BeforeValidator(read_tracker_version, json_schema_input_type=int)
    ] = Field(0, description="Version of the tracker.")
    scroll_depth: Annotated[
        int, BeforeValidator(read_scroll_depth, json_schema_input_type=int | str)
    ] = Field(
        UNKNOWN_SCROLL_DEPTH,
        description="For `engagement`: how far the page was scrolled, in per cent.",
    )
    engagement_time: Annotated[
        int, BeforeValidator(read_engagement_time, json_schema_input_type=int | str)
    ] = Field(
        0,
        description="For `engagement`: milliseconds in view, less than 30 days.",
    )
