"""Reads a configuration into frozen dataclasses and says everything that is wrong with it at once.

The dataclasses are the form: a field is a key, its type (see `fields`) what is wanted there, a
dataclass a table. Pydantic reads; what it says of a value is put into plain words here.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from cloudnet_sdn.wire.configuration import ConfigurationError, read_toml
from cloudnet_sdn.wire.fields import said

T = TypeVar("T")
Location = tuple[int | str, ...]

Rule = Callable[..., Iterable[str]]
"""What must hold between values: its parameters are named as the keys it is about.

Yields problems, each beginning with its key. It is asked only where each of those values is right
by itself. The parameter `document` is the whole file as it is.
"""

_DOCUMENT = "document"
_WANTED = {
    "string_type": "text is wanted",
    "int_type": "a whole number is wanted",
    "float_type": "a number is wanted",
    "finite_number": "a number is wanted",
    "bool_type": "true or false is wanted",
    "path_type": "a path is wanted",
    "tuple_type": "a list is wanted",
    "list_type": "a list is wanted",
    "frozen_set_type": "a list is wanted",
    "mapping_type": "a table is wanted",
    "dict_type": "a table is wanted",
    "dataclass_type": "a table is wanted",
    "greater_than": "more than {gt:g} is wanted",
    "greater_than_equal": "{ge:g} or more is wanted",
    "less_than": "less than {lt:g} is wanted",
    "less_than_equal": "{le:g} or less is wanted",
}
"""What is wanted, by pydantic's type of error; `, not VALUE` is added."""

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


@dataclass(frozen=True)
class Form(Generic[T]):
    """What a kind of configuration may say.

    Attributes:
        kind: the dataclass of the whole file.
        rules: what must hold between its values.
        fixed: keys whose value is known of this kind of file; for the schema.
        hidden: keys that this kind of file hasn't got; for the schema.
    """

    kind: type[T]
    rules: tuple[Rule, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def load(self, path: Path) -> T:
        """What the file at `path` says.

        Raises:
            ConfigurationError: it can't be read, or something is wrong; each problem begins with
                the file's name.
        """
        try:
            return self.read(read_toml(path), path.resolve().parent)
        except ConfigurationError as exc:
            raise exc.within(path) from exc

    def read(self, document: Mapping[str, Any], base: Path) -> T:
        """What a parsed TOML document says; relative paths are taken from `base`.

        Raises:
            ConfigurationError: with everything that is wrong.
        """
        values, problems = _values(self.kind, document, base)
        right: dict[str, Any] = {_DOCUMENT: document, **_defaults(self.kind, document), **values}
        for rule in self.rules:
            about = inspect.signature(rule).parameters
            if about.keys() <= right.keys():
                problems += rule(**{name: right[name] for name in about})
        if problems:
            raise ConfigurationError(*problems)
        return self.kind(**values)

    def strangeness(self, document: Mapping[str, Any]) -> int:
        """How many keys a document has too much or too little to be of this form."""
        fields = {f.name: f for f in dataclasses.fields(self.kind)}  # type: ignore[arg-type]
        left_out = [n for n, f in fields.items() if n not in document and not _has_default(f)]
        return len(document.keys() - fields.keys()) + len(left_out)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of such a file, read as JSON."""
        schema: dict[str, Any] = TypeAdapter(self.kind).json_schema()
        for made in _tables(self.kind):
            about = schema if made is self.kind else schema["$defs"].get(made.__name__)
            if about is not None:
                _describe(about, made)
        for name in self.hidden:
            del schema["properties"][name]
        for name, value in self.fixed.items():
            schema["properties"][name] = {"const": value}
        used = str(schema["properties"]) + str(schema.get("$defs"))
        schema["$defs"] = {n: d for n, d in schema.get("$defs", {}).items() if f"/{n}'" in used}
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _values(
    kind: type[Any], document: Mapping[str, Any], base: Path
) -> tuple[dict[str, Any], list[str]]:
    """The keys that are right by themselves, and what is wrong with the others."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    problems = [
        f"{name}: {_unknown(kind)}" for name in sorted(set(document) - set(fields), key=str)
    ]
    values: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if name in document:
            try:
                values[name] = _adapter(hint).validate_python(document[name], context=base)
            except ValidationError as exc:
                problems += _plainly(name, hint, exc)
        elif not _has_default(fields[name]):
            problems.append(f"{name}: missing")
    return values, problems


def _defaults(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    left_out = [f for f in dataclasses.fields(kind) if f.name not in document and _has_default(f)]
    return {
        f.name: f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        for f in left_out
    }


def _has_default(one: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return one.default is not missing or one.default_factory is not missing


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    # Pydantic takes a configuration for unions but for no dataclass, and hands it down to those
    # inside. A TOML document has no null, so nothing more is let through.
    return TypeAdapter(hint | None, config=ConfigDict(extra="forbid"))


def _plainly(name: str, hint: Any, error: ValidationError) -> list[str]:
    """What pydantic found, in plain words, each with its key."""
    return [
        f"{_key((name, *one['loc']))}: {_wrong(one, hint)}"
        for one in error.errors(include_url=False)
    ]


def _key(location: Location) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def _wrong(found: Any, hint: Any) -> str:
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "unexpected_keyword_argument":
        return _unknown(_table_at(hint, found["loc"][:-1]))
    if kind == "value_error":
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        known = re.findall(r"'([^']*)'", context["expected"])
        return f"{said(value)} is none of {', '.join(known)}"
    if kind in _WANTED:
        return f"{_WANTED[kind].format(**context)}, not {said(value)}"
    message = str(found["msg"])
    return f"{message[:1].lower()}{message[1:]}, not {said(value)}"


def _unknown(table: type[Any]) -> str:
    return f"unknown key; there are {', '.join(f.name for f in dataclasses.fields(table))}"


def _table_at(hint: Any, location: Sequence[int | str]) -> type[Any]:
    """The dataclass that a place in a document of type `hint` is read into."""
    bare = _bare(hint)
    if not location:
        return typing.cast("type[Any]", bare)
    if dataclasses.is_dataclass(bare):
        inner = typing.get_type_hints(bare, include_extras=True)[str(location[0])]
    else:  # a list's items, a table's values
        inner = [a for a in typing.get_args(bare) if a is not Ellipsis][-1]
    return _table_at(inner, location[1:])


def _bare(hint: Any) -> Any:
    """A type without its annotations and without None."""
    if hasattr(hint, "__metadata__"):
        return _bare(hint.__origin__)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return _bare(next(a for a in typing.get_args(hint) if a is not type(None)))
    return hint


def _tables(hint: Any) -> set[type[Any]]:
    """All dataclasses below a type, itself included."""
    bare = _bare(hint)
    if dataclasses.is_dataclass(bare):
        inner: Iterable[Any] = typing.get_type_hints(bare, include_extras=True).values()
        return {typing.cast("type[Any]", bare)}.union(*map(_tables, inner))
    return set().union(*map(_tables, typing.get_args(bare)))


def _describe(schema: dict[str, Any], kind: type[Any]) -> None:
    """Put what the docstring says of the table and of its keys into the schema."""
    text, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    schema["description"] = text
    schema["additionalProperties"] = False
    for name, about in _ATTRIBUTE.findall(attributes):
        if name in schema.get("properties", {}):
            schema["properties"][name]["description"] = re.sub(r"\s+", " ", about)
