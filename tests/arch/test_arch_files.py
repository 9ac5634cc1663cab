"""What may not stand in the project's files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE = {
    ".git", ".venv", ".cloudnet", "build", "dist", "__pycache__", ".hypothesis",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache",
}  # fmt: skip
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".sh", ".mako", ".cfg", ".ini", ""}

MACHINES = re.compile(r"(?<![\w.])/(?:home|opt|srv|Users)/|index-url|find-links")


def files(*suffixes: str) -> Iterator[Path]:
    """The project's own text files."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        made = MADE.intersection(parts) or any(p.endswith(".egg-info") for p in parts)
        if path.is_file() and not made and path.suffix in (suffixes or TEXT):
            yield path


def test_no_file_knows_a_machine():
    """No path of somebody's machine, no package index: a checkout works anywhere."""
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files()
        if path != here
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINES.search(line)
    ]
    assert found == []


def test_test_modules_have_names_of_their_own():
    """pytest imports them by their bare names."""
    names = [path.name for path in files(".py") if path.name.startswith("test_")]
    assert sorted({n for n in names if names.count(n) > 1}) == []


def test_links_between_documents_lead_somewhere():
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files(".md")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_documents_a_visitor_looks_for_are_there(name):
    assert (ROOT / name).read_text().startswith("# ")


def test_no_module_is_left_to_grow_without_bound():
    """House rule: 150 to 300 lines; far past that a module has two jobs."""
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for path in files(".py")
        if "tests" not in path.parts
        if (lines := len(path.read_text().splitlines())) > 600
    ]
    assert long == []
