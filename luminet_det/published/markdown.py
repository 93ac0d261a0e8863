"""Markdown tables that are also readable as plain text."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: the first column left-aligned, the others right-aligned."""
    lines = [[cell.replace('|', '\\|') for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def laid(line: Sequence[str]) -> str:
        first, *others = zip(line, widths, strict=True)
        return f'| {" | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])} |'

    rule = f'|{"|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])}|'
    return '\n'.join([laid(lines[0]), rule, *map(laid, lines[1:])])
