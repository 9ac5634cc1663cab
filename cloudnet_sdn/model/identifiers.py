"""The ids of CloudNets: nobody guesses them, and a shell's keys tell whose they are."""

from __future__ import annotations

import re
import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def prefix_of(role: str) -> str:
    """What the ids of a role's CloudNets begin with."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", role)[:32]


def new_id(role: str) -> str:
    """A CloudNet's id: nobody guesses it, and the role's shells can tell it is the role's."""
    return f"{prefix_of(role)}-{''.join(secrets.choice(_ALPHABET) for _ in range(10))}"


def is_ours(role: str, key: str) -> bool:
    """Whether a shell's key belongs to a CloudNet of this role."""
    pattern = rf"{re.escape(prefix_of(role))}-[{_ALPHABET}]{{10}}(-[0-9]+)?(\..+)?"
    return re.fullmatch(pattern, key) is not None


def cloudnet_in(key: str) -> str:
    """The id of the CloudNet that a key of ours belongs to."""
    return re.sub(rf"^(.*-[{_ALPHABET}]{{10}})-[0-9]+$", r"\1", key.partition(".")[0])
