"""The open files that the process may have."""

import math
import resource


def open_files() -> float:
    """How many files this process may have open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if allowed == resource.RLIM_INFINITY else allowed
