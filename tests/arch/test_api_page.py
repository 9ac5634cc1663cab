"""The page of the facade's methods is what the table says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_api_page_is_made_from_the_table():
    made = runpy.run_path(str(ROOT / "scripts" / "api_page.py"))["page"]()
    written = (ROOT / "docs" / "api.md").read_text()
    assert written == made, "docs/api.md is out of date: run `make docs`"
