"""Which plugin embeds what: by the longest registered prefix of a substrate element's type.

Built-in plugins and those of others come the same way: as entry points of the group
`cloudnet_sdn.plugins`, each naming an `Extension`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cloudnet_sdn.model.settings import Settings
from cloudnet_sdn.ports import Clock, Plugin, Rpc

GROUP = "cloudnet_sdn.plugins"


@dataclass(frozen=True)
class Context:
    """What a plugin may know of the role it serves.

    Attributes:
        settings: the role's configuration.
        clock: time.
        shell: a shell's name (an agent's element, or `controller`) and URL to its methods.
        provider: a provider's name to its facade.
    """

    settings: Settings
    clock: Clock
    shell: Callable[[str, str], Rpc]
    provider: Callable[[str], Rpc]


@dataclass(frozen=True)
class Extension:
    """A plugin to be had.

    Attributes:
        types: the substrate types it embeds on, each with everything below it.
        make: builds it for a role; None where this role has no use for it.
    """

    types: tuple[str, ...]
    make: Callable[[Context], Plugin | None]


class Registry:
    """The plugins of one role, by name and by type."""

    def __init__(self) -> None:
        self._plugins: dict[str, Plugin] = {}
        self._types: dict[str, str] = {}

    def register(self, name: str, types: Iterable[str], plugin: Plugin) -> None:
        """Add one.

        Raises:
            ValueError: the name or one of the types is registered already.
        """
        if name in self._plugins:
            raise ValueError(f"there is a plugin {name} already")
        for prefix in types:
            if prefix in self._types:
                raise ValueError(f"{prefix} belongs to the plugin {self._types[prefix]} already")
            self._types[prefix] = name
        self._plugins[name] = plugin

    def get(self, name: str) -> Plugin:
        """By name.

        Raises:
            LookupError: there is none; says which there are.
        """
        try:
            return self._plugins[name]
        except KeyError:
            known = ", ".join(sorted(self._plugins))
            raise LookupError(f"no plugin {name!r}; there are {known}") from None

    def name_for(self, element_type: str) -> str | None:
        """The name of the plugin for a substrate type, None where nobody embeds on it."""
        path = element_type
        while path:
            if path in self._types:
                return self._types[path]
            path = path.rpartition("/")[0]
        return None

    def for_type(self, element_type: str) -> Plugin | None:
        """The plugin for a substrate type."""
        name = self.name_for(element_type)
        return None if name is None else self._plugins[name]

    def items(self) -> Iterator[tuple[str, Plugin]]:
        """All, by name."""
        return iter(self._plugins.items())


def installed() -> Mapping[str, Extension]:
    """The extensions that installed packages offer, by name."""
    found = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        extension = entry.load()
        if not isinstance(extension, Extension):
            raise TypeError(f"entry point {entry.name} of {GROUP}: {entry.value} is no Extension")
        found[entry.name] = extension
    return found


def build(context: Context, extensions: Mapping[str, Extension]) -> Registry:
    """A role's registry."""
    registry = Registry()
    for name, extension in extensions.items():
        plugin = extension.make(context)
        if plugin is not None:
            registry.register(name, extension.types, plugin)
    return registry
