"""Allows one training at a time per folder, since a second one would add its own checkpoints."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # as on Windows
    fcntl = None

MARK = '.in_use'
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # from a file system without locks
HELD = (errno.EACCES, errno.EAGAIN)  # POSIX allows either


@contextlib.contextmanager
def claimed(folder: Path | str) -> Iterator[None]:
    """Reserve a folder for this process.

    The operating system releases the lock when the process ends, however it ends. By POSIX, forked processes do not
    inherit it; loader processes, for example, may outlive this one. Without locks in the operating system or the file
    system, nothing is guarded.

    Args:
        folder: Created if it does not exist.

    Raises:
        BlockingIOError: Another process has it; the message says which.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    path = folder / MARK
    with contextlib.ExitStack() as opened:
        mark = opened.enter_context(path.open('a+'))
        while not _lock(mark, path):
            mark = opened.enter_context(path.open('a+'))
        mark.truncate(0)
        mark.write(f'process {os.getpid()} on {socket.gethostname()}')
        mark.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(mark: TextIO, path: Path) -> bool:
    """Lock the file; False if it was deleted in the meantime, by the process that had it."""
    try:
        fcntl.lockf(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            mark.seek(0)
            raise BlockingIOError(
                f'{path.parent} is in use: {mark.read() or "another process"} trains in it. Wait until it has ended, '
                'or give this training another folder with --work-dir FOLDER. If that process no longer exists, delete '
                f'{path}.'
            ) from None
        if error.errno not in NO_LOCKS:
            raise
    return path.exists() and os.path.samestat(os.fstat(mark.fileno()), path.stat())
