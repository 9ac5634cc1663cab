"""`python -m hostagent --config FILE`: serve one host."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hostagent.service import main


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cloudnet agent serve", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML")
    parser.add_argument(
        "--purge",
        action="store_true",
        help="serve nothing: remove every VNode and tunnel that an agent of this name left",
    )
    return parser.parse_args()


if __name__ == "__main__":
    options = _arguments()
    sys.exit(main(options.config, purging=options.purge))
