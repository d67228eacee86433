"""A case: the health of a server, and the one finding that it makes."""

from typing import Any

from ingest.observation.diagnosis.diagnose import diagnose
from ingest.observation.diagnosis.finding import Severity
from ingest.observation.diagnosis.server_health import ServerHealth

Case = tuple[dict[str, Any], Severity, str, str]
"""What of the health is not the default; severity, part and a piece of the text."""

FRONT: dict[str, Any] = {"front": True}


def check(case: Case) -> None:
    """Check that the finding of a case is the only one, and is made of sentences."""
    health, severity, part, what = case
    (finding,) = diagnose(ServerHealth(**health))
    assert (finding.severity, finding.part) == (severity, part)
    assert what in finding.what
    for sentence in (finding.what, finding.advice):
        assert sentence.endswith(".")
        assert "\n" not in sentence
