"""What the demo is asked to do, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of `cloudnet demo`.

    Attributes:
        vnodes: how VNodes are run: `namespace`.
        request: the RDL request to embed; None for the one that ships.
        keep: stay up until Ctrl-C, and write `demo.json` into `state`.
        state: where stores, certificates and logs go; made if it isn't there.
    """

    vnodes: str = "namespace"
    request: Path | None = None
    keep: bool = False
    state: Path = Path(".cloudnet")
