"""How a command ends: the exit codes, and the one place where errors become them.

| raised | code |
| --- | --- |
| nothing | 0 done |
| `Failed`, fault 404, 429, 500, an offer that failed, anything unforeseen | 1 failed |
| `click.UsageError`, fault 400 where no document was sent, a bad configuration or file | 2 usage |
| an embedding that is infeasible, an offer that was refused | 3 cannot be embedded or refused |
| `RdlError`, `StateError`, faults 400 and 413 where a document was sent | 4 invalid document |
| faults 503, 504 | 5 a peer can't be reached |
| faults 409, 410 | 6 conflict |
| faults 401, 403 | 7 not allowed |

Ctrl-C ends with 130, as shells expect.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


class Exit(enum.IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INVALID = 4
    UNREACHABLE = 5
    CONFLICT = 6
    NOT_ALLOWED = 7
    INTERRUPTED = 130


BY_FAULT = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.FAILED,
    409: Exit.CONFLICT,
    410: Exit.CONFLICT,
    413: Exit.INVALID,
    429: Exit.FAILED,
    500: Exit.FAILED,
    503: Exit.UNREACHABLE,
    504: Exit.UNREACHABLE,
}


OURS = "this should not have happened, and is no fault of yours (CLOUDNET_TRACEBACK=1 tells more)"

_NAMED = frozenset(
    {
        errno.ENOENT,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EEXIST,
    }
)
"""What the system says of a file that was named and can't be had."""


class Failed(click.ClickException):
    """A command that ends with `code` and says why on stderr."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def document_sent() -> Iterator[None]:
    """Within it fault 400 means the document: exit code 4, not 2."""
    from cloudnet_sdn.wire.faults import BadRequest

    try:
        yield
    except BadRequest as error:
        raise Failed(str(error), Exit.INVALID) from error


def explain(error: BaseException) -> tuple[str, Exit]:
    """What to tell the user about `error`, and the exit code it stands for."""
    if isinstance(error, Failed):
        return error.format_message(), error.code
    if isinstance(error, click.ClickException):
        return error.format_message(), Exit(error.exit_code)
    if isinstance(error, OSError):
        return _os_error(error)
    from cloudnet_sdn.profile import ProfileError
    from cloudnet_sdn.wire.faults import CloudnetError
    from mip.errors import MappingError, SolverError, StateError, WrongMappingError
    from rdl.errors import RdlError

    if isinstance(error, CloudnetError):
        return error.fault_text or f"fault {error.code}", BY_FAULT.get(error.code, Exit.FAILED)
    if isinstance(error, RdlError | StateError):
        return str(error), Exit.INVALID
    if isinstance(error, ProfileError):
        return str(error), Exit.USAGE
    if isinstance(error, SolverError | WrongMappingError):
        return f"the solver broke down: {error}", Exit.FAILED
    if isinstance(error, MappingError):
        return str(error), Exit.FAILED
    return f"{OURS}: {error}", Exit.FAILED


def _os_error(error: OSError) -> tuple[str, Exit]:
    """A file that was named and isn't to be had is the command line's fault, a full disk isn't."""
    code = Exit.USAGE if error.filename and error.errno in _NAMED else Exit.FAILED
    if error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}", code
    return error.strerror or str(error), code
