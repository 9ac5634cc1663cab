# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""The JSON Schema and the loader agree, as far as a schema can see; shown with check-jsonschema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "rdl"))
from rdl_bad_files import BAD  # noqa: E402
from rdl_strategies import graphs, mappings  # noqa: E402

from rdl.language.dump import to_data  # noqa: E402
from rdl.language.load import load  # noqa: E402
from rdl.language.schema import schema  # noqa: E402

EXAMPLES = sorted((ROOT / "examples").glob("*.rdl.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())


@pytest.fixture(scope="module")
def checker(tmp_path_factory) -> list[str]:
    """The command line of check-jsonschema with our schema."""
    found = tmp_path_factory.mktemp("schema") / "rdl.schema.json"
    found.write_text(json.dumps(schema()))
    return [sys.executable, "-m", "check_jsonschema", "--schemafile", str(found), "-o", "json"]


def test_it_is_a_schema():
    """Of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_file_in_the_package_is_the_schema():
    """Made by `python -c 'import json, rdl.language.schema as s; print(json.dumps(s.schema(), indent=1))'`."""
    shipped = (ROOT / "rdl" / "rdl-1.schema.json").read_text()
    assert shipped == json.dumps(schema(), indent=1) + "\n"


def test_check_jsonschema_accepts_every_example(checker):
    """And each names the schema to the editor in its first line."""
    assert len(EXAMPLES) >= 5
    done = subprocess.run(
        [*checker, *map(str, EXAMPLES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for example in EXAMPLES:
        load(example.read_bytes(), source=example.name)
        assert example.read_text().startswith("# yaml-language-server: $schema=")


def test_check_jsonschema_rejects_every_bad_file_that_a_schema_can_see(checker, tmp_path):
    """Each of them, by name."""
    visible = {f"{n}.yaml": bad for n, bad in enumerate(BAD) if bad.schema}
    for name, bad in visible.items():
        (tmp_path / name).write_text(bad.clean)
    files = [str(tmp_path / name) for name in visible]
    done = subprocess.run([*checker, *files], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    rejected = {Path(e["filename"]).name for e in [*told["errors"], *told["parse_errors"]]}
    assert {visible[name].name for name in set(visible) - rejected} == set()
    assert len(visible) > 80


@given(graphs())
@settings(max_examples=40)
def test_what_we_write_is_valid(graph):
    """Any graph in canonical form."""
    VALIDATOR.validate(to_data(graph))


@given(mappings())
@settings(max_examples=20)
def test_what_we_write_of_mappings_is_valid(mapping):
    """Any mapping."""
    VALIDATOR.validate(to_data(mapping))
