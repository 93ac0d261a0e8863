"""Reading a result file: a JSON object that has certain keys."""

import json
from collections.abc import Sequence
from pathlib import Path


def read_object(path: Path, what: str, keys: Sequence[str]) -> dict:
    """Read a file.

    Args:
        path: The file.
        what: What it should be, for the message: 'result of a run'.
        keys: What it must have.

    Raises:
        ValueError: It is no JSON, or no object with these keys; the message names the file.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is no JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} is no {what}: it holds a {type(content).__name__}, not an object')
    if missing := [key for key in keys if key not in content]:
        raise ValueError(f'{path} is no {what}: it lacks {", ".join(missing)}')
    return content
