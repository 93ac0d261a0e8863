"""A published number and how sure we are of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

RECALLED = 'R'  # from memory of the paper; check before quoting
ASSIGNED = 'I'  # the number is in the source, but which pair it belongs to is our reading
UNREADABLE = '?'  # there is a number in the source, but it could not be read


@dataclass(frozen=True)
class Figure:
    """One cell of a published table.

    Args:
        value: In percent; None where nothing is published, or nothing readable.
        sd: As published, if it is.
        mark: '' for a number read in its source, or one of the marks above.
        digits: Decimals, as published.
    """

    value: float | None
    sd: float | None = None
    mark: str = ''
    digits: int = 2

    @classmethod
    def read(cls, text: str) -> 'Figure':
        """Read '71.97', '71.75±0.30', '77.18R' (recalled), '71.68I' (assigned), '?' (unreadable) or '-' (none)."""
        if text in ('-', UNREADABLE):
            return cls(None, mark=text.strip('-'))
        mark = text[-1] if text[-1] in RECALLED + ASSIGNED else ''
        value, _, sd = text.removesuffix(mark).partition('±')
        return cls(float(value), float(sd) if sd else None, mark, len(value.partition('.')[2]))

    def __str__(self) -> str:
        if self.value is None:
            return self.mark or '-'
        spread = f' ± {self.sd:.{self.digits}f}' if self.sd is not None else ''
        return f'{self.value:.{self.digits}f}{spread}' + (f' [{self.mark}]' if self.mark else '')


@dataclass(frozen=True)
class Row:
    """One method's published numbers.

    Args:
        method: As the literature names it.
        source: Where the numbers were read.
        figures: One per column.
    """

    method: str
    source: str
    figures: tuple[Figure, ...]

    @property
    def rerun(self) -> bool:
        """Whether it is another group's run of a method that has a row, written 'KD, mdistiller'."""
        return ',' in self.method

    @property
    def key(self) -> str:
        """The prefix of the names of this method's configs: 'reviewkd' for ReviewKD, 'dkd_ls' for DKD + LS."""
        return re.sub(r'\W', '', self.method.lower().replace(' + ', '_'))


def read_rows(text: str, sources: dict[str, str]) -> tuple[Row, ...]:
    """Read lines of `method: source: figures`; the figures as `Figure.read` takes them, separated by spaces."""
    rows = []
    for line in text.strip().splitlines():
        method, source, figures = (part.strip() for part in line.split(':'))
        rows.append(Row(method, sources[source], tuple(map(Figure.read, figures.split()))))
    if len({len(row.figures) for row in rows}) != 1:
        raise ValueError(f'rows of different length: {", ".join(f"{row.method} {len(row.figures)}" for row in rows)}')
    return tuple(rows)


def add_columns(rows: Sequence[Row], more: Sequence[Row], named: str) -> tuple[Row, ...]:
    """Append further columns of the same methods to `rows`.

    Args:
        rows: Every method.
        more: The further columns; a method without a row there has nothing published in them.
        named: What these columns are, where they were read elsewhere.

    Raises:
        ValueError: A method of `more` has no row.
    """
    found = {row.method: row for row in more}
    if unknown := found.keys() - {row.method for row in rows}:
        raise ValueError(f'further columns of {", ".join(sorted(unknown))}, which have no row')
    nothing = (Figure(None),) * len(more[0].figures)
    joined = []
    for row in rows:
        other = found.get(row.method)
        source = row.source if other is None or other.source == row.source else f'{row.source}; {named}: {other.source}'
        joined.append(Row(row.method, source, row.figures + (other.figures if other else nothing)))
    return tuple(joined)
