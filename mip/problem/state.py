"""A directory of embedded CloudNets: `NAME.overlay.yaml` and `NAME.mapping.yaml` for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mip.errors import StateError
from mip.problem.statement import Embedded
from rdl.errors import DocumentError
from rdl.language.load import load_graph, load_mapping

OVERLAY = ".overlay.yaml"
MAPPING = ".mapping.yaml"

T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """One CloudNet with the files it was read from."""

    overlay_file: Path
    mapping_file: Path
    embedded: Embedded


def read_state(folder: Path) -> tuple[Embedded, ...]:
    """The CloudNets in `folder`, in order of their names; other files are left alone.

    Nothing is compared with a substrate; see `mip.standing`.

    Raises:
        StateError: `folder` isn't one, a file can't be read, one of a pair is missing, or a
            document is wrong: with all of that.
    """
    pairs, faults = read_pairs(folder)
    if faults:
        raise StateError(faults)
    return tuple(pair.embedded for pair in pairs)


def read_pairs(folder: Path) -> tuple[list[Pair], list[str]]:
    """The pairs in `folder` that can be read, in order of their names, and what can't be.

    Raises:
        StateError: `folder` isn't one, or can't be read.
    """
    if not folder.is_dir():
        raise StateError([f"{folder}: not a directory"])
    pairs: list[Pair] = []
    faults: list[str] = []
    for name in _names(folder):
        files = folder / f"{name}{OVERLAY}", folder / f"{name}{MAPPING}"
        missing = [f for f in files if not f.exists()]
        if missing:
            other = next(f for f in files if f not in missing)
            faults.append(f"{missing[0]}: missing, and {other.name} is there")
            continue
        overlay = _read(files[0], load_graph, faults)
        mapping = _read(files[1], load_mapping, faults)
        if overlay is not None and mapping is not None:
            pairs.append(Pair(*files, Embedded(overlay, mapping)))
    return pairs, faults


def _names(folder: Path) -> list[str]:
    try:
        files = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise StateError([f"{folder}: {error.strerror}"]) from error
    ends = (OVERLAY, MAPPING)
    return sorted({f.removesuffix(end) for f in files for end in ends if f.endswith(end)})


def _read(file: Path, parse: Callable[..., T], faults: list[str]) -> T | None:
    """The document in a file; None (noted) where there is none to be had."""
    try:
        found: T = parse(file.read_bytes(), source=str(file))
    except OSError as error:
        faults.append(f"{file}: {error.strerror}")
    except DocumentError as error:
        faults.append(str(error))
    else:
        return found
    return None
