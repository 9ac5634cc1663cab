"""The kinds of values that configurations have, as types that `reading.Form` takes.

A type says what a value must be; what is wrong is said as the end of a sentence that begins with
the key. Nothing is checked where the dataclasses are made by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict, WithJsonSchema

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    parse_listen,
    parse_public,
    parse_url,
)
from cloudnet_sdn.wire.identity import Caller

MOST = 1e6
"""No number of seconds or hours in a configuration means more."""


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _public(text: str) -> str:
    parse_public(text)
    return text


def _url(text: str) -> str:
    parse_url(text)
    return text


def _caller(uri: str) -> str:
    try:
        Caller.parse(uri)
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from exc
    return uri


def said(value: Any) -> str:
    """A value as it is quoted, however long it is."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


Whole = Annotated[int, Strict()]
"""A whole number; neither `true` nor 1.0 is one."""

Flag = Annotated[bool, Strict()]
"""`true` or `false`; neither 1 nor "yes" is one."""

Count = Annotated[Whole, Field(ge=0)]
"""A whole number from 0."""

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A number, whole or not; `true` is none."""

Duration = Annotated[Number, Field(gt=0, le=MOST)]
"""Seconds or hours, more than none."""

Pause = Annotated[Number, Field(ge=0, le=MOST)]
"""Seconds or hours, or none."""

Amount = Annotated[Number, Field(ge=0)]
"""How much of something, or none."""

ListenText = Annotated[str, AfterValidator(_listen)]
"""`HOST:PORT`, as `configuration.parse_listen` takes it."""

PublicText = Annotated[str, AfterValidator(_public)]
"""`HOST` or `HOST:PORT`, as `configuration.parse_public` takes it; '' where it isn't told."""

Url = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})]
"""A peer's URL, as `configuration.parse_url` takes it."""

CallerUri = Annotated[str, AfterValidator(_caller)]
"""A caller's URI, such as `cloudnet:role:vnp`."""


def beside(folder: Path, name: str) -> Path:
    """A file of a configuration: a relative name counts from the folder the configuration is in.

    Raises:
        ConfigurationError: no file has such a name.
    """
    if not name or "\0" in name:
        raise ConfigurationError(f"the name of a file is wanted, not {said(name)}")
    return folder / name
