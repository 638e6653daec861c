"""Files that one process has for itself."""

import errno
import logging
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


def lock(file: IO[Any]) -> bool:
    """Take an open file for this process alone, until it is closed; False if another process has it.

    The lock belongs to the open file: a child that inherits it holds it too, and it ends with the process however that
    ends. Where there are no such locks (Windows, some network file systems) nothing is taken and True is returned.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS):
            raise
        log.warning("%s: this file system has no locks; make sure that no other process writes there", file.name)
    return True
