"""Jobs for workers, found by `PYTHONPATH`: no problem makes a solver hang or fail for certain."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from mip.errors import UnknownObjectiveError


def say(value, progress):
    return value


def pid(progress):
    return os.getpid()


def modules(progress):
    return sorted(sys.modules)


def environment(name, progress):
    return os.environ[name]


def note(file, text, progress):
    """Append a line; answers what waited."""
    with Path(file).open("a") as opened:
        opened.write(text + "\n")


def stick(file, progress):
    """Start a child as a solver does, write both pids, and go on for ever."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["TMPDIR"], "left").write_text("of a solver")
    Path(file + ".new").write_text(f"{os.getpid()} {child.pid}")
    Path(file + ".new").rename(file)
    while True:
        time.sleep(1)


def wait_for(file, progress):
    while not Path(file).exists():
        time.sleep(0.01)
    return os.getpid()


def grow(size, keep, progress):
    """Have so many bytes in memory, for good or until the end of the job."""
    if keep:
        globals()["kept"] = bytearray(os.urandom(1)) * size
        return os.getpid()
    held = bytearray(os.urandom(1)) * size
    while held:
        time.sleep(0.05)
    return None


GREEDY = """
import sys, time
held = bytearray(b"x") * int(sys.argv[1])
time.sleep(600)
"""


def have_child_grow(size, file, progress):
    """Start a child that has so many bytes in memory, as a solver's process may, and wait."""
    child = subprocess.Popen([sys.executable, "-c", GREEDY, str(size)])
    Path(file).write_text(str(child.pid))
    child.wait()


def die(progress):
    os.kill(os.getpid(), 9)


def object_to(progress):
    raise UnknownObjectiveError("speed", ("cost",))


def break_down(progress):
    class Strange(Exception):
        """Of a class that nobody else can find."""

    raise Strange("very")


def tell(progress):
    progress(7.0, 3.0)
    return "done"


def parent(progress):
    return os.getppid()


def stick_for(options, file, progress):
    """As `stick`; the options say how long it may take."""
    stick(file, progress)


def stick_once(file, progress):
    """As `stick` at first, then say what started this process; `FILE.parent` has it, too."""
    if Path(file).exists():
        return os.getppid()
    Path(file + ".parent").write_text(str(os.getppid()))
    return stick(file, progress)
