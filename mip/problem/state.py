"""A directory of embedded CloudNets: `NAME.overlay.yaml` and `NAME.mapping.yaml` for each."""

from __future__ import annotations

from pathlib import Path

from mip.errors import StateError
from mip.problem.statement import Embedded
from rdl.language.load import load_graph, load_mapping

OVERLAY = ".overlay.yaml"
MAPPING = ".mapping.yaml"


def read_state(folder: Path) -> tuple[Embedded, ...]:
    """The CloudNets in `folder`, in order of their names; other files are left alone.

    Raises:
        StateError: `folder` isn't one, a file can't be read, or one of a pair is missing.
        rdl.errors.DocumentError: a document is wrong.
    """
    if not folder.is_dir():
        raise StateError(f"{folder} is not a directory")
    overlays = {p.name.removesuffix(OVERLAY): p for p in folder.glob(f"*{OVERLAY}")}
    mappings = {p.name.removesuffix(MAPPING): p for p in folder.glob(f"*{MAPPING}")}
    for name in sorted(overlays.keys() ^ mappings.keys()):
        missing = f"{name}{OVERLAY if name in mappings else MAPPING}"
        raise StateError(f"{folder / missing} is missing")
    return tuple(
        Embedded(
            load_graph(_text(overlays[name]), source=str(overlays[name])),
            load_mapping(_text(mappings[name]), source=str(mappings[name])),
        )
        for name in sorted(overlays)
    )


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from error
