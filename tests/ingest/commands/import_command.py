"""`sluice import`, run in this process, with a double for what does the work."""

from typing import Any

from ingest.commands.import_past import import_past


class Imports:
    """Stands for what does the work.

    Attributes:
        outcome: What is shown and returned, or raised.
        requests: What was asked for.
    """

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.requests: list[Any] = []

    def __call__(self, settings: Any, request: Any, show: Any) -> Any:
        self.requests.append(request)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        show(self.outcome)
        return self.outcome


def run(*arguments: str) -> int:
    """Run the command; returns its exit code. Mistakes in the arguments are raised."""
    try:
        import_past.main(arguments, standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
