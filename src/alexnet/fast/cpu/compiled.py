"""A C file of ours as a function: compiled once for this processor, kept in the cache, loaded from there.

Loading takes about a millisecond, so what the cache holds is used from the first picture on. Compiling takes half a
second, so it waits until a process has shown that it goes on, see `WORTH`. Nobody needs a compiler: whatever is missing
or fails is a reason, never an error.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from alexnet import __version__
from alexnet.data.user_cache import home

WORTH = 64
"""Pictures after which compiling is worth it: on two cores a process has then worked for longer than that takes."""
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
"""Fast as far as NaN and infinity stay what they are."""
PROCESSOR = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")
"""What decides which instructions `-march=native` means, as /proc/cpuinfo calls it."""
SECONDS = 60
SEAL_BYTES = hashlib.sha256().digest_size


Operator = Callable[[ctypes.Structure], int]
"""Does what its task says with torch's threads; not 0 if it failed."""


class Compiled:
    """The function of a C file, named like the file.

    Attributes:
        source: the file.
        function: None where there is none, or none yet.
        reason: why there is none.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.function: Operator | None = None
        self.reason = ""
        self._is_sought = False
        self._attempt = threading.Lock()

    def find(self) -> Operator | None:
        """The function, if the cache has had it when this was called first, or `compile` has made it since."""
        if not self._is_sought:
            self._is_sought = True
            self._load()
        return self.function

    def compile(self) -> None:
        """Make the function if it is missing. A process tries once."""
        if self.find() is not None or not self._attempt.acquire(blocking=False):
            return
        try:
            torch_threads()
            make(self.source, self.place())
        except (OSError, RuntimeError, ValueError) as error:
            self.reason = str(error)
        else:
            self._load()

    def place(self) -> Path:
        """Where the library lies: a name for this source, compiled with these flags for this processor.

        Raises:
            OSError: the processor does not tell what it is.
            RuntimeError: the user has no home.
        """
        parts = (__version__, self.source.read_text(), *FLAGS, platform.machine(), *features())
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return home() / "compiled" / f"{self.source.stem}-{key}.so"

    def _load(self) -> None:
        try:
            threads, path = torch_threads(), self.place()
            check(path)
            self.function = called(getattr(ctypes.CDLL(str(path)), self.source.stem), threads)
            self.reason = ""
        except FileNotFoundError:
            self.reason = f"not compiled yet; the first process that predicts more than {WORTH} pictures does it"
        except (OSError, RuntimeError, AttributeError) as error:
            self.reason = str(error)


def called(function: Any, threads: ctypes.c_void_p) -> Operator:
    """A function (task, GOMP_parallel, number of threads) of C as one of the task alone."""

    def operator(task: ctypes.Structure) -> int:
        status: int = function(ctypes.byref(task), threads, torch.get_num_threads())
        return status

    return operator


def make(source: Path, path: Path) -> None:
    """Compile `source` to `path`, with a seal: aside, then moved, so that two processes at once are two that succeed.

    Raises:
        OSError: no compiler, it fails, or the folder cannot be written to.
        ValueError: see `compiler`.
    """
    import subprocess
    from tempfile import TemporaryDirectory

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        aside = Path(folder, path.name)
        command = [*compiler(), *FLAGS, str(source), "-o", str(aside), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines() or ["failed"]
            raise OSError(f"{command[0]}: {said[0]}") from error
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{command[0]} took more than {SECONDS} s") from error
        code = aside.read_bytes()
        aside.write_bytes(code + hashlib.sha256(code).digest())  # what follows the sections of a library is not loaded
        aside.chmod(0o700)
        aside.replace(path)


def check(path: Path) -> None:
    """Make sure that a library is the user's own and whole, since loading it would run whatever it is.

    Raises:
        OSError: it is not there, or not so.
    """
    code, status = path.read_bytes(), path.stat()
    if status.st_uid not in (0, os.getuid()) or status.st_mode & 0o022:
        raise PermissionError(f"{path} belongs to others, or they may write to it")
    if hashlib.sha256(code[:-SEAL_BYTES]).digest() != code[-SEAL_BYTES:]:
        path.unlink(missing_ok=True)
        raise FileNotFoundError(path)


def compiler() -> list[str]:
    """The words that call the C compiler: CC, else the first of cc, gcc and clang.

    Raises:
        FileNotFoundError: there is none.
        ValueError: CC has a quotation mark too many.
    """
    import shutil

    named = shlex.split(os.environ.get("CC", ""))
    found = named or [path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))][:1]
    if not found:
        raise FileNotFoundError("no C compiler: neither CC is set, nor are cc, gcc or clang to be found")
    return found


def features() -> list[str]:
    """What this processor is and can do, in the words of Linux.

    Raises:
        OSError: it does not say.
    """
    first: list[str] = []
    with Path("/proc/cpuinfo").open() as lines:
        for line in lines:  # of a hundred cores, one
            if not line.strip():
                break
            first.append(line)
    return [line for line in first if line.partition(":")[0].strip() in PROCESSOR]


@cache
def torch_threads() -> ctypes.c_void_p:
    """The GOMP_parallel that torch's own operators call, looked for where the dynamic linker does: one pool of threads.

    Raises:
        OSError: torch has no such threads.
    """
    if platform.system() != "Linux":  # elsewhere a missing compiler may open a window that offers one
        raise OSError("only on Linux")
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    for scope in (ctypes.CDLL(None), ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD)):
        if hasattr(scope, "GOMP_parallel"):
            return ctypes.cast(scope.GOMP_parallel, ctypes.c_void_p)
    raise OSError("torch has no threads of OpenMP")
