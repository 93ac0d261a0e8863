"""Files that are whole or not there, whatever kills the process that writes them."""

from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write `text` in the place of what is there, in one step."""
    part = path.with_name(f'{path.name}.part')
    part.write_text(text, encoding='utf-8')
    part.replace(path)
