"""The table at the end of a chain."""

import json
import re
from collections.abc import Sequence

from luminet_det.chain.run import Run
from luminet_det.published.markdown import table
from luminet_det.sweep.point import RESULT

NOT_METRICS = re.compile('step|epoch|iteration|time|data_time|(teacher|gap)/.*')  # in the log of a validation


def format_table(runs: Sequence[Run], which: str) -> str:
    """Write one row per run: its config, its parameters, and its score after the last epoch and after the best one.

    The metric is the leading one of the last run: its mean AP, or the first that it measures.

    Args:
        runs: The chain, in order.
        which: Whose checkpoint was handed on, 'last' or 'best'.

    Returns:
        Markdown, without a newline at its end.
    """
    scores = [_scores(run) for run in runs]
    metric = leading(scores[-1].get('last', {}))
    rows = []
    for place, (run, found) in enumerate(zip(runs, scores, strict=True), start=1):
        count = run.parameters()
        teacher = f'{place - 1}, {which}' if place > 1 else 'its own' if run.cfg.model.get('teacher') else '-'
        cells = [f'{place} {run.config}', teacher, '-' if count is None else f'{count:,}']
        rows.append([*cells, *(_cell(found.get(kind, {}).get(metric)) for kind in ('last', 'best'))])
    head = ['run', 'teacher', 'parameters', f'{metric}, last', 'best']
    return f'{table(head, rows)}\n\n{_note(runs)}'


def _scores(run: Run) -> dict[str, dict]:
    """The scores of the last and the best epoch, on the test set if the run uses that only at its end."""
    path = run.work_dir / RESULT
    result = json.loads(path.read_text()) if path.is_file() else {}
    if tested := result.get('test'):
        return tested
    validations = run.validations()
    if not validations:
        return {}
    metric = leading(validations[-1])
    best = max(validations, key=lambda scores: scores.get(metric, float('-inf')))
    return result.get('metrics') or dict(last=validations[-1], best=best)


def leading(scores: dict) -> str:
    """The leading metric of a validation: the mean AP, or the first that was measured."""
    names = [name for name in scores if not NOT_METRICS.fullmatch(name)]
    return next((name for name in names if name.endswith('mAP')), next(iter(names), 'score'))


def _note(runs: Sequence[Run]) -> str:
    paths = [run.work_dir / RESULT for run in runs]
    if any(path.is_file() and json.loads(path.read_text()).get('test') for path in paths):
        return 'On the test set, which was used only after training; "best" was chosen on held-out images.'
    return '"best" is chosen on the data that it is measured on, so it flatters.'


def _cell(value: float | None) -> str:
    # Accuracies come in percent, APs as fractions.
    return 'not measured' if value is None else f'{value:.2f}' if value > 1.5 else f'{value:.4f}'
