"""Names of files in configurations: a relative one counts from the folder the configuration is in.

What knows TLS files is loaded by every command, what reads configurations is not: so nothing is
imported here before a configuration is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any


class Beside:
    """Marks the path of a file that stands beside the configuration it is named in."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """How pydantic reads such a path; the folder is the context of the reading."""
        from pydantic_core import core_schema

        return core_schema.with_info_before_validator_function(self._read, handler(source))

    def _read(self, name: Any, info: Any) -> Any:
        from cloudnet_sdn.wire.configuration import ConfigurationError
        from cloudnet_sdn.wire.fields import beside, said

        if not isinstance(name, str):
            raise ConfigurationError(f"a path is wanted, not {said(name)}")
        return beside(info.context, name)


File = Annotated[Path, Beside()]
"""The path of a file."""
