"""What signals do to a server's process."""

import os
import signal
from typing import Final

_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_IGNORED: Final = (signal.SIGUSR1, signal.SIGUSR2)
"""Usually ask a server to reopen its log file or the like; Sluice has nothing to do then."""


def ignore_signals() -> None:
    """Ignore the signals that would end the process although they do not ask for its end.

    SIGHUP says that the terminal was closed. To a process without a terminal it usually says that
    files are to be read again, which Sluice does whenever they change. Handlers that were set
    before stay.
    """
    ignored = _IGNORED if os.isatty(0) else (*_IGNORED, signal.SIGHUP)
    for number in ignored:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop the process once it is drained.

    SIGHUP is one of them unless it is ignored, by `ignore_signals` or by `nohup`.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return _STOP
    return (*_STOP, signal.SIGHUP)
