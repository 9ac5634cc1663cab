"""Forms: what a document is read into, and how everything that is wrong with it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from cloudnet_sdn.wire.configuration import ConfigurationError
from cloudnet_sdn.wire.fields import Count, Duration, ListenText, Whole
from cloudnet_sdn.wire.files import File
from cloudnet_sdn.wire.reading import Form


@dataclass(frozen=True)
class Wheel:
    """A wheel.

    Attributes:
        size: of it, in inches
            or more.
        tyre: its file.
    """

    size: Whole
    tyre: File | None = None


@dataclass(frozen=True)
class Cart:
    """A cart."""

    name: str
    wheels: tuple[Wheel, ...] = ()
    horses: Count = 1
    pause_s: Duration = 2.0
    by_name: Mapping[str, Wheel] = field(default_factory=dict)
    at: ListenText = "127.0.0.1:0"
    colour: Literal["red", "blue"] = "red"
    low: Annotated[Whole, Field(lt=5)] = 0
    high: Whole = 9


def _ordered(low: int, high: int):
    if low > high:
        yield f"low: {low} is more than high, {high}"


def _wheeled(document: Mapping[str, Any]):
    if "sledge" in document:
        yield "sledge: this is a cart"


FORM = Form(Cart, (_ordered, _wheeled))
BASE = Path("/etc/carts")


def problems(**keys: object) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        FORM.read({"name": "x", **keys}, BASE)
    return list(error.value.problems)


def test_a_document_becomes_the_dataclasses():
    read = FORM.read(
        {"name": "x", "wheels": [{"size": 3, "tyre": "t"}], "by_name": {"a": {"size": 1}}}, BASE
    )
    assert read == Cart("x", (Wheel(3, BASE / "t"),), by_name={"a": Wheel(1)})
    assert FORM.read({"name": "x", "pause_s": 3}, BASE).pause_s == 3.0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", 3, "name: text is wanted, not 3"),
        ("horses", True, "horses: a whole number is wanted, not True"),
        ("horses", 1.0, "horses: a whole number is wanted, not 1.0"),
        ("horses", "1", "horses: a whole number is wanted, not '1'"),
        ("horses", -1, "horses: 0 or more is wanted, not -1"),
        ("pause_s", 0, "pause_s: more than 0 is wanted, not 0"),
        ("pause_s", 2e6, "pause_s: 1e+06 or less is wanted, not 2000000.0"),
        ("pause_s", float("nan"), "pause_s: a number is wanted, not nan"),
        ("pause_s", False, "pause_s: a number is wanted, not False"),
        ("low", 5, "low: less than 5 is wanted, not 5"),
        ("colour", "green", "colour: 'green' is none of red, blue"),
        ("wheels", {"size": 3}, "wheels: a list is wanted, not {'size': 3}"),
        ("wheels", [3], "wheels[0]: a table is wanted, not 3"),
        ("wheels", [{"size": 1}, {}], "wheels[1].size: missing"),
        ("wheels", [{"size": 1, "sise": 2}], "wheels[0].sise: unknown key; there are size, tyre"),
        ("wheels", [{"size": 1, "tyre": ""}], "wheels[0].tyre: the name of a file is wanted"),
        ("wheels", [{"size": 1, "tyre": 5}], "wheels[0].tyre: a path is wanted, not 5"),
        ("by_name", 3, "by_name: a table is wanted, not 3"),
        ("by_name", {"b": {"size": 1, "x": 2}}, "by_name.b.x: unknown key; there are size, tyre"),
        ("at", "h:x", "at: HOST:PORT with a port of 0 to 65535 is wanted"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_plainly(key, value, said):
    (problem,) = problems(**{key: value})
    assert problem.startswith(said)


def test_everything_is_said_at_once():
    found = problems(horses=-1, sledge=1, at="h", low=7, high="x")
    assert [one.split(":")[0] for one in found] == [
        "sledge",
        "horses",
        "at",
        "low",
        "high",
        "sledge",
    ]


def test_a_rule_is_asked_where_its_values_are_right_whatever_the_others_are():
    assert problems(low=4, high=3, horses=-1)[-1] == "low: 4 is more than high, 3"
    assert len(problems(low=4, high="3")) == 1


def test_long_values_are_cut():
    (problem,) = problems(name=["x" * 500])
    assert len(problem) < 120


def test_the_schema_says_what_the_docstrings_say():
    schema = FORM.schema()
    assert (
        schema["$defs"]["Wheel"]["properties"]["size"]["description"] == "of it, in inches or more."
    )
    assert schema["required"] == ["name"]
    assert Form(Cart, hidden=frozenset({"wheels", "by_name"})).schema()["$defs"] == {}
