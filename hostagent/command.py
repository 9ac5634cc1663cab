"""Running the system's tools: `ip`, `tc`, `ethtool`, `nft`, `openvpn`."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0


class CommandFailedError(Exception):
    """A tool ended with an error, is not installed or did not end in time.

    Attributes:
        argv: the tool's command line.
        told: what the owner of a VNode may know of it, '' for nothing: no name of the host's.
    """

    def __init__(self, argv: Sequence[str], text: str, told: str = "") -> None:
        self.argv = tuple(argv)
        self.told = told
        super().__init__(f"{' '.join(argv)}: {text}")


def run(argv: Sequence[str], text: str = "") -> str:
    """Run a tool to its end with `text` on its standard input, and answer its standard output.

    Raises:
        CommandFailedError: it failed; the message carries what it wrote to standard error.
    """
    log.debug("run argv=%s input=%r", list(argv), text)
    try:
        done = subprocess.run(
            list(argv), input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError as exc:
        raise CommandFailedError(argv, f"{argv[0]} is not installed") from exc
    except subprocess.TimeoutExpired as exc:
        raise CommandFailedError(argv, f"no end within {TIMEOUT_S:.0f} s") from exc
    if done.returncode != 0:
        raise CommandFailedError(argv, done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout


def batch(argv: Sequence[str], lines: Sequence[str]) -> None:
    """Run `ip` or `tc` once for many commands, one a line; nothing for none.

    Raises:
        CommandFailedError: one of them failed; those after it were not run.
    """
    if lines:
        run([*argv, "-batch", "-"], "\n".join(lines) + "\n")


def detach(argv: Sequence[str]) -> IO[str]:
    """Start a program that outlives the agent, and answer what it will write to standard error.

    Raises:
        CommandFailedError: `setsid` is not installed.
    """
    errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - the caller's to close
    try:
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as exc:
        errors.close()
        raise CommandFailedError(argv, str(exc)) from exc
    return errors
