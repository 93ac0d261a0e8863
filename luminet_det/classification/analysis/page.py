"""The page: numbers and pictures in one HTML file that needs no other file and no network."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from luminet_det.classification.analysis.gallery import Picture
from luminet_det.classification.analysis.scores import COLUMNS

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 68rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
p { max-width: 48rem; margin: .3rem 0 .8rem; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; } th, td { padding: .35rem .8rem; border-bottom: 1px solid #ccc; }
.numbers td, .numbers th { text-align: right; } .numbers th:first-child, .facts th { text-align: left; }
.numbers td { font-variant-numeric: tabular-nums; } .facts { font-size: .85rem; } .facts td { word-break: break-all; }
.best { font-weight: 700; } .scroll { overflow-x: auto; } .lacking { color: #555; font-style: italic; }
"""


def write_page(
    path: Path,
    title: str,
    numbers: Mapping[str, Mapping[str, float]],
    drawn: Sequence[tuple[Picture, Path | None]],
    facts: Mapping[str, str],
    teacher: str | None,
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        title: Its heading.
        numbers: By network, what `scores` returns.
        drawn: The pictures with their PNG files, which are embedded in the page; None for one that was left out.
        facts: What a reader needs to reproduce the page.
        teacher: The teacher among `numbers`, which is not compared with the others for the best number.
    """
    parts = [f'<h1>{escape(title)}</h1>', '<h2>Numbers</h2>', _table(numbers, teacher)]
    if teacher is None:
        parts.append(
            '<p class="lacking">There is no teacher, so agreement and correlation difference are left out.</p>'
        )
    for picture, file in drawn:
        parts.append(f'<h2>{escape(picture.title)}</h2>')
        if file is None:
            parts.append(f'<p class="lacking">{escape(picture.text)}</p>')
            continue
        image = base64.b64encode(file.read_bytes()).decode()
        parts.append(f'<p>{escape(picture.text)}</p>')
        parts.append(f'<img alt="{escape(picture.title)}" src="data:image/png;base64,{image}">')
    rows = ''.join(f'<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in facts.items())
    parts.append(f'<h2>Made from</h2><table class="facts">{rows}</table>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = '\n'.join(parts)
    path.write_text(
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n',
        encoding='utf-8',
    )


def cells(numbers: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Heading and rows of the table of numbers, as text; a dash where a network has no such number."""
    columns = [column for column in COLUMNS if any(column[0] in row for row in numbers.values())]
    return [
        ['', *(label for _, label, _, _ in columns)],
        *(
            [name, *(f'{row[key]:.{digits}f}' if key in row else '-' for key, _, digits, _ in columns)]
            for name, row in numbers.items()
        ),
    ]


def _table(numbers: Mapping[str, Mapping[str, float]], teacher: str | None) -> str:
    heading, *rows = cells(numbers)
    best = _best(numbers, teacher)
    lines = [f'<tr>{"".join(f"<th>{escape(text)}</th>" for text in heading)}</tr>']
    for name, *values in rows:
        marked = [
            f'<td class="best">{value}</td>' if best.get(label) == name else f'<td>{value}</td>'
            for label, value in zip(heading[1:], values, strict=True)
        ]
        lines.append(f'<tr><th>{escape(name)}</th>{"".join(marked)}</tr>')
    return f'<div class="scroll"><table class="numbers">{"".join(lines)}</table></div>'


def _best(numbers: Mapping[str, Mapping[str, float]], teacher: str | None) -> dict[str, str]:
    """By column, the best of several students."""
    students = {name: row for name, row in numbers.items() if name != teacher}
    if len(students) < 2:
        return {}
    choose = {True: max, False: min}
    return {
        label: choose[higher](students, key=lambda name, key=key: students[name][key])
        for key, label, _, higher in COLUMNS
        if all(key in row for row in students.values())
    }
