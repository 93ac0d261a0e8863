"""Reading a result file: a JSON object with certain keys, whose values have certain forms."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

# The form of a value in words, for the message, and whether a value has it.
Form = tuple[str, Callable[[object], bool]]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_object(value: object) -> bool:
    return isinstance(value, dict)


TEXT: Form = ('a string', is_text)
TEXT_OR_NULL: Form = ('a string or null', lambda value: value is None or is_text(value))
OBJECT: Form = ('an object', is_object)
COUNT: Form = ('a whole number', is_count)
NUMBER: Form = ('a number', is_number)


def read_object(path: Path, what: str, keys: Mapping[str, Form]) -> dict:
    """Read a file.

    Args:
        path: The file.
        what: What it should be, for the message: 'result of a run'.
        keys: The keys that it must have, with the form of their values.

    Raises:
        ValueError: The file is not a JSON object with these keys and values of these forms; the message names it.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} is not the {what}: it holds a {type(content).__name__}, not an object')
    if missing := [key for key in keys if key not in content]:
        raise ValueError(f'{path} is not the {what}: it lacks {", ".join(missing)}')
    for key, (form, holds) in keys.items():
        if not holds(content[key]):
            raise ValueError(f'{path} is not the {what}: its {key} is {content[key]!r}, expected {form}')
    return content
