"""Writes files that are either complete or absent, even if the process is killed while writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write, which replaces `path` in one step, and is removed if it could not be written."""
    part = path.with_name(f'{path.name}.part')
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` with `text`, in one step."""
    with written(path) as part:
        part.write_text(text, encoding='utf-8')
