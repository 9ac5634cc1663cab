"""The shape of the project, as `docs/architecture.md` and `pyproject.toml` have it."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("cloudnet_sdn", "hostagent", "mip", "rdl", "ryu_apps")


def test_the_arrows_of_the_architecture_are_kept():
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_mininet_is_a_folder_and_no_package():
    """With an `__init__.py` it would shadow the real one; test files in it would be collected."""
    assert not (ROOT / "mininet" / "__init__.py").exists()
    assert not list((ROOT / "mininet").rglob("test_*.py"))


def test_no_script_of_mininet_shadows_a_module():
    """A script's own folder comes first on `sys.path`."""
    scripts = {path.stem for path in (ROOT / "mininet").glob("*.py")}
    assert not scripts & {*sys.stdlib_module_names, *OURS, "mininet"}


@pytest.mark.parametrize("package", OURS)
def test_the_name_belongs_to_us_alone(package):
    """PyPI's `mip` would overwrite ours without a word from pip."""
    assert set(importlib.metadata.packages_distributions()[package]) == {"cloudnet-sdn"}


@pytest.mark.parametrize("package", OURS)
def test_packages_are_typed_and_say_what_they_are(package):
    assert (ROOT / package / "py.typed").exists()
    assert (ROOT / package / "__init__.py").read_text().startswith('"""')


def test_every_folder_with_modules_is_in_the_wheel():
    """`namespaces = false`: a sub-folder without `__init__.py` would be left out."""
    folders = {path.parent for name in OURS for path in (ROOT / name).rglob("*.py")}
    assert not [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()]


def test_the_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert importlib.metadata.version("cloudnet-sdn") == project["version"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("rdl.graph", {"yaml", "networkx"}),
        ("rdl.language.load", {"networkx"}),
        ("cloudnet_sdn", {"rdl", "mip", "sqlalchemy", "click"}),
        ("cloudnet_sdn.wire.rpc", {"rdl", "mip", "sqlalchemy", "cheroot", "eventlet"}),
        ("cloudnet_sdn.wire.client", {"rdl", "mip", "sqlalchemy", "cheroot"}),
        ("mip.problem.statement", {"pulp", "networkx"}),
        ("hostagent", {"ovs", "sqlalchemy"}),
    ],
)
def test_importing_stays_light(module, without):
    code = f"import sys, {module}; print(*sorted({without!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_whatever_writes_to_the_store_bears_being_undone():
    """A database may let another transaction go on instead: `store/contention.py`."""
    found = []
    for path in (ROOT / "cloudnet_sdn").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            blocks = [w for w in ast.walk(function) if isinstance(w, ast.With)]
            contexts = [ast.unparse(i.context_expr) for w in blocks for i in w.items]
            writes = any(c.endswith(("store.write()", "_writing(entry)")) for c in contexts)
            manages = any("contextmanager" in ast.unparse(d) for d in function.decorator_list)
            repeated = any("repeatable" in ast.unparse(d) for d in function.decorator_list)
            if writes and not manages and not repeated:
                found.append(f"{path.relative_to(ROOT)}: {function.name}")
    assert found == []
