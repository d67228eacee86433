"""Counts the instructions of parts of a program, with valgrind's tool callgrind.

The program starts itself again under valgrind, and tells callgrind when a part ends. The kernel's
instructions are not counted. Counts of one program differ by less than a per cent from run to run,
however busy the machine is.
"""

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# valgrind's documented client request for x86-64 (valgrind.h): as a function of the address of its
# arguments. Outside of valgrind it does nothing.
_CODE: Final = bytes.fromhex(
    "4889f8"  # mov rax, rdi
    "31d2"  # xor edx, edx
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi four times, by 128 bits in all
    "4887db"  # xchg rbx, rbx
    "c3"  # ret
)
_TOOL: Final = ord("C") << 24 | ord("T") << 16
_DUMP_AT: Final = _TOOL + 3
_START: Final = _TOOL + 4
_PART: Final = re.compile(r"^desc: Trigger: Client Request: (.*)$", re.MULTILINE)
_TOTAL: Final = re.compile(r"^(?:totals|summary): (\d+)$", re.MULTILINE)


def why_not() -> str | None:
    """Return why nothing can be counted here; None if it can."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "instructions are counted on x86-64 only"
    if shutil.which("valgrind") is None:
        return "valgrind is needed to count instructions: apt-get install valgrind"
    return None


class Counting:
    """Tells callgrind, under which the program runs, where parts begin and end."""

    def __init__(self) -> None:
        """Prepare the client request."""
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._request = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)
        self._arguments = (ctypes.c_uint64 * 6)()
        self._names: dict[str, ctypes.Array[ctypes.c_char]] = {}
        self._started = False

    def start(self) -> None:
        """Start to count. Before, the program runs five times slower than usual, then fifty."""
        self._started = True
        self._arguments[0] = _START
        self._request(ctypes.addressof(self._arguments))

    def end_part(self, name: str) -> None:
        """Add what was counted since the end of the last part to a part, once it has started."""
        if not self._started:
            return
        text = self._names.get(name)
        if text is None:
            text = self._names[name] = ctypes.create_string_buffer(name.encode())
        self._arguments[0], self._arguments[1] = _DUMP_AT, ctypes.addressof(text)
        self._request(ctypes.addressof(self._arguments))


def count(command: Sequence[str]) -> Counter[str]:
    """Run a program that uses `Counting`, and return the instructions of its parts.

    Args:
        command: Arguments of Python.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(  # noqa: S603
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", "-q",  # noqa: S607
             f"--callgrind-out-file={directory / 'part'}", sys.executable, *command],
            env=environment, check=True,
        )  # fmt: skip
        parts: Counter[str] = Counter()
        for path in directory.iterdir():
            text = path.read_text(errors="replace")
            part, total = _PART.search(text), _TOTAL.search(text)
            if part is not None and total is not None:
                parts[part[1]] += int(total[1])
        return parts
