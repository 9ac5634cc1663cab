"""Names of what the agent makes on a machine: short, and unique per host, VNode and interface.

A network device's name has at most 15 characters, and several agents may share a machine,
so names carry hashes. Whose a thing is stands in full in its alias or external ids.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from hostagent.spec import Key

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,14}")
"""A leading hyphen would be an option of whatever tool is told the name."""


def short_hash(*parts: str, digits: int = 10) -> str:
    """Some hex digits that stand for the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one host's things.

    Attributes:
        owner: the agent's name, the owner tag in external ids and aliases.
        scope: what keeps agents of one name on one machine apart: the host's bridge.
    """

    owner: str
    scope: str

    @property
    def prefix(self) -> str:
        """How the names of all network namespaces of this host begin."""
        return f"cn-{short_hash(self.owner, self.scope, digits=6)}-"

    def namespace(self, key: Key) -> str:
        """The VNode's network namespace."""
        return self.prefix + short_hash(key)

    def outer(self, key: Key, interface: str) -> str:
        """The host's end of an interface's veth pair: the port on the bridge."""
        return "cv" + short_hash(self.owner, self.scope, key, interface, digits=12)

    def mac(self, key: Key, interface: str) -> str:
        """A locally administered address for an interface that asks for none."""
        digits = short_hash("mac", self.owner, self.scope, key, interface)
        return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


def inner(interface: str) -> str:
    """The device's name inside the VNode: the interface's where that is a device name."""
    if _DEVICE.fullmatch(interface) and interface not in {"lo", "all", "default"}:
        return interface
    return f"{interface[:8].lstrip('-') or 'if'}-{short_hash(interface, digits=6)}"
