"""The paper's tables with published and measured numbers side by side."""

from collections.abc import Sequence

from luminet_det.published import cifar100, imagenet
from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import Figure, Row
from luminet_det.published.markdown import table
from luminet_det.published.measured import CHAINED, METHODS, OF_PLAIN, RECIPES, Measured
from luminet_det.published.run import TOP5
from luminet_det.published.spread import NOT_RUN

OWN_ROWS = (*OF_PLAIN, *RECIPES)
CONFIGURED = (*OWN_ROWS, *METHODS, CHAINED)  # the rows that have configs where there is a published number
NOTHING = '-'
NO_CONFIG = 'no config'


def accuracies(measured: Measured, pairs: Sequence[Pair]) -> str:
    """Table 1: one column per pair, one row per method, in each cell published / measured best epoch."""
    lines = []
    for row in cifar100.TOP1 + measured.unpublished(cifar100.TOP1, pairs):
        figures = [row.figures[cifar100.PAIRS.index(pair)] for pair in pairs]
        ours = [measured.accuracy(row.key, pair) for pair in pairs]
        if any(str(figure) != NOTHING for figure in figures) or any(cell != NOT_RUN for cell in ours):
            ours = [
                NO_CONFIG if cell == NOT_RUN and (row.key not in CONFIGURED or str(figure) == NOTHING) else cell
                for figure, cell in zip(figures, ours, strict=True)
            ]
            lines.append([row.method, *(f'{figure} / {cell}' for figure, cell in zip(figures, ours, strict=True))])
    return table(['', *map(str, pairs)], lines)


def sources(rows: Sequence[Row]) -> str:
    """Which rows were read where."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.source, []).append(row.method)
    return '\n'.join(f'- {"; ".join(methods)}: {source}' for source, methods in found.items())


def rows_of_our_own(measured: Measured) -> str:
    """A row for each network and method with a config, and so a published number: that, ours, and the command."""
    lines, seen = [], set()
    for column, pair in enumerate(cifar100.PAIRS):
        for row in cifar100.TOP1:
            config = measured.config(row.key, pair)
            if row.key in OWN_ROWS and str(row.figures[column]) != NOTHING and config not in seen:
                seen.add(config)
                lines.append(detail(measured, row.figures[column], row.key, pair))
    lines.sort(key=lambda line: '-' in line[0])  # networks by themselves first
    return table(DETAILS, lines)


def rows_of_other_methods(measured: Measured) -> str:
    """The same for each method with its own folder, for the pairs with a published number."""
    return _rows_of(measured, METHODS)


def chains(measured: Measured) -> str:
    """The same for TAKD, with the command of the whole chain."""
    return _rows_of(measured, (CHAINED,))


def strong_augmentation(measured: Measured) -> str:
    """Table 5."""
    pairs = cifar100.STRONG_AUGMENTATION_PAIRS
    published = [[row.method, 'published', *map(str, row.figures)] for row in cifar100.STRONG_AUGMENTATION]
    ours = [
        [f'LumiNet, {what}', 'measured', *(measured.accuracy('luminet', pair, variant=variant) for pair in pairs)]
        for variant, what in cifar100.STRONG_AUGMENTATION_VARIANTS.items()
    ]
    commands = '\n'.join(
        f'- {measured.command("luminet", pair, variant)}'
        for variant in cifar100.STRONG_AUGMENTATION_VARIANTS
        for pair in pairs
        if not measured.runs('luminet', pair, variant)
    )
    return table(['', '', *map(str, pairs)], published + ours) + (f'\n\nNot run:\n\n{commands}' if commands else '')


def vit(measured: Measured) -> str:
    """Table 6."""
    return table(
        DETAILS,
        [
            detail(measured, row.figures[0], row.key, cifar100.VIT_PAIR)
            for row in cifar100.VIT + measured.unpublished(cifar100.VIT, [cifar100.VIT_PAIR])
        ],
    )


def imagenet_pair(measured: Measured, pair: Pair) -> str:
    """Table 2 of one pair; top-5 is that of the epoch with the best top-1."""
    rows = imagenet.PAIRS[pair]
    lines = []
    for row in rows + measured.unpublished(rows, [pair]):
        if row.rerun:
            lines.append([row.method, *map(str, row.figures), *['-'] * 5])
            continue
        lines.append(
            [
                row.method,
                *map(str, row.figures),
                measured.accuracy(row.key, pair),
                measured.accuracy(row.key, pair, metric=TOP5),
                measured.accuracy(row.key, pair, 'last'),
                str(len(measured.runs(row.key, pair))),
                _imagenet_command(measured, row.key, pair) if row.key in CONFIGURED else '-',
            ]
        )
    return table(['', 'top-1', 'top-5', 'best epoch', 'its top-5', 'last epoch', 'n', 'command'], lines)


DETAILS = ('config', 'published', 'best epoch', 'last epoch', 'n', 'selected on', 'command')


def detail(measured: Measured, published: Figure, row: str, pair: Pair, variant: str = '') -> list[str]:
    """The cells of `DETAILS`."""
    return [
        measured.config(row, pair, variant),
        str(published),
        measured.accuracy(row, pair, variant=variant),
        measured.accuracy(row, pair, 'last', variant=variant),
        str(len(measured.runs(row, pair, variant))),
        measured.selection(row, pair, variant),
        measured.command(row, pair, variant),
    ]


def _rows_of(measured: Measured, methods: Sequence[str]) -> str:
    lines = [
        detail(measured, row.figures[column], row.key, pair)
        for row in cifar100.TOP1
        if row.key in methods
        for column, pair in enumerate(cifar100.PAIRS)
        if str(row.figures[column]) != NOTHING
    ]
    return table(DETAILS, lines)


def _imagenet_command(measured: Measured, row: str, pair: Pair) -> str:
    command = measured.command(row, pair)
    return f"torchvision's weights, or {command}" if row == 'teacher' else command
