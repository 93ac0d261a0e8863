"""Files that are whole or not there, whatever kills the process that writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` in one step, and is gone if it could not be written."""
    part = path.with_name(f'{path.name}.part')
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` in the place of what is there, in one step."""
    with written(path) as part:
        part.write_text(text, encoding='utf-8')
