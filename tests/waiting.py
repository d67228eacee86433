"""How long tests wait for other processes."""

import time
from typing import Any, Final

WAIT_SECONDS: Final = 300.0
"""How long a test waits for another process. Only a failure takes so long."""


def wait_until(condition: Any, explain: Any = lambda: "") -> None:
    """Poll until a condition on another process is true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s\n{explain()[-4000:]}"
        time.sleep(0.02)
