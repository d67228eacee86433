"""Addresses of the tracker script that do not lead to what the page expects."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

ADDRESSES: Final = 50
"""Maximum number of addresses that are remembered; the one not asked for longest is forgotten."""

SECONDS: Final = 86_400
"""How long an address is remembered, as long as browsers keep the script."""


class ScriptFault(Enum):
    """What is wrong with an address."""

    UNKNOWN_NAME = auto()
    """It is none of the script's: not found."""
    UNKNOWN_SITE = auto()
    """No site has the id in it: not found."""
    UNKNOWN_WORDS = auto()
    """The script was served without the words in it that are not known."""


@dataclass(slots=True)
class OddScript:
    """An address.

    Attributes:
        path: The address.
        fault: What is wrong with it.
        requests: How often it was asked for since it was remembered.
        last: When it was last asked for, in Unix seconds.
    """

    path: str
    fault: ScriptFault
    requests: int
    last: int


class OddScripts:
    """The addresses of the last day."""

    def __init__(self) -> None:
        """Start with none."""
        self._scripts: dict[str, OddScript] = {}

    def note(self, path: str, now: int, fault: ScriptFault) -> None:
        """Count a request.

        Args:
            path: The address.
            now: Unix seconds.
            fault: What is wrong with it.
        """
        found = self._scripts.pop(path, None)
        requests = 1 if found is None or self._is_old(found, now) else found.requests + 1
        # Insert it anew: the order is that of the last requests.
        self._scripts[path] = OddScript(path, fault, requests, now)
        if len(self._scripts) > ADDRESSES:
            del self._scripts[next(iter(self._scripts))]

    def of_last_day(self, now: int) -> list[OddScript]:
        """Return the addresses, the one with the most requests first."""
        recent = [script for script in self._scripts.values() if not self._is_old(script, now)]
        return sorted(recent, key=lambda script: -script.requests)

    @staticmethod
    def _is_old(script: OddScript, now: int) -> bool:
        return now - script.last >= SECONDS
