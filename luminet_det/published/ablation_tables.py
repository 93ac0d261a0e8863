"""The tables of figure 4, b to d: batch size, tau, and an ensemble of teachers."""

from collections.abc import Sequence

from luminet_det.published import cifar100
from luminet_det.published.ablation import SWEEPS
from luminet_det.published.markdown import table
from luminet_det.published.measured import Measured
from luminet_det.published.paper_tables import DETAILS, detail
from luminet_det.published.run import Run
from luminet_det.published.spread import NOT_RUN, spread


def sweep(runs: Sequence[Run], what: str) -> str:
    """The table of 'batch size' or 'tau': one column per value, in each cell published / measured best epoch."""
    swept = SWEEPS[what]
    lines, commands = [], []
    for row in swept.rows:
        cells = [spread([run.accuracy('best') for run in swept.runs(runs, row.key, value)]) for value in swept.values]
        lines.append([row.method, *(f'{figure} / {cell}' for figure, cell in zip(row.figures, cells, strict=True))])
        if left := [value for value, cell in zip(swept.values, cells, strict=True) if cell == NOT_RUN]:
            commands.append(f'- {swept.command(row.key, left)}')
    text = table([what, *map(str, swept.values)], lines)
    return text + ('\n\nNot run:\n\n' + '\n'.join(commands) if commands else '')


def ensemble(measured: Measured) -> str:
    """Figure 4d: LumiNet from one teacher and from the mean logits of two."""
    variants = ('', cifar100.ENSEMBLE_TEACHER)
    lines = [
        detail(measured, row.figures[0], 'luminet', cifar100.ENSEMBLE_PAIR, variant)
        for row, variant in zip(cifar100.ENSEMBLE, variants, strict=True)
    ]
    return table(DETAILS, lines)
