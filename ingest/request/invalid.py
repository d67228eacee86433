"""What is wrong with a request, in the words that clients know."""

from collections.abc import Mapping
from types import MappingProxyType

Errors = Mapping[str, list[str]]
"""Messages by field (spec/ingestion.md §3)."""

UNPARSABLE: Errors = MappingProxyType({"request": ["Unable to parse request body as json"]})
"""For a body that cannot be read, whatever the cause; nothing else is validated then."""


class InvalidRequest(ValueError):  # noqa: N818
    """The request is refused with 400.

    Attributes:
        errors: Every mistake found.
    """

    def __init__(self, errors: Errors) -> None:
        """Refuse a request for these mistakes."""
        super().__init__(", ".join(errors))
        self.errors = errors
