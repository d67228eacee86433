import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.threads import native_threads
from actors.threads.native_threads import TASKS, lower_native_threads

pytestmark = pytest.mark.skipif(not Path(TASKS).is_dir(), reason="needs Linux")


def niceness(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


@pytest.fixture
def native() -> Iterator[int]:
    """The id of a thread that Python does not know."""
    library = ctypes.CDLL(None)
    handle = ctypes.c_ulong()
    assert library.pthread_create(ctypes.byref(handle), None, library.pause, None) == 0
    assert library.pthread_setname_np(handle, b"not-of-python") == 0
    (started,) = (
        int(path.parent.name)
        for path in Path(TASKS).glob("*/comm")
        if path.read_text() == "not-of-python\n"
    )
    yield started
    library.pthread_cancel(handle)
    library.pthread_join(handle, None)


def test_only_threads_that_are_not_pythons(native: int) -> None:
    ended = threading.Event()
    own = threading.Thread(target=ended.wait)
    own.start()
    assert own.native_id is not None
    before = niceness(own.native_id)
    nice = niceness(native) + 1
    assert native in lower_native_threads(nice)
    assert niceness(native) == nice
    assert niceness(own.native_id) == niceness(threading.get_native_id()) == before
    ended.set()
    own.join()


def test_each_once(native: int) -> None:
    nice = niceness(native) + 1
    lowered = lower_native_threads(nice)
    assert lower_native_threads(nice + 1, lowered) == lowered
    assert niceness(native) == nice
    assert lower_native_threads(nice + 1, lowered - {native}) == lowered
    assert niceness(native) == nice + 1


def test_a_priority_that_may_not_be_raised_stays(native: int) -> None:
    """As of a process that was started with a higher niceness, without privileges."""
    script = (
        "import ctypes, os; from actors.threads.native_threads import lower_native_threads\n"
        "os.setuid(65534) if os.getuid() == 0 else None\n"
        "library = ctypes.CDLL(None); os.nice(19)\n"
        "library.pthread_create(ctypes.byref(ctypes.c_ulong()), None, library.pause, None)\n"
        "print(len(lower_native_threads(15)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout == "1\n", run.stderr


def test_a_thread_of_pythons_that_is_starting(native: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no id yet, so it could be any: none is lowered before the next call."""
    before = niceness(native)
    threads = [*threading.enumerate(), threading.Thread()]
    with monkeypatch.context() as patched:
        patched.setattr("threading.enumerate", lambda: threads)
        assert lower_native_threads(before + 1, {native, -1}) == {native}
    assert niceness(native) == before


def test_where_threads_cannot_be_listed(native: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_threads, "TASKS", "/nowhere")
    assert lower_native_threads(19) == frozenset()
    assert niceness(native) < 19
