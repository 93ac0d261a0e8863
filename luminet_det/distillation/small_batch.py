"""SmallBatch: a term whose loss takes statistics over too few rows is named once, with what to set."""

import logging

from mmengine.dist import get_world_size
from mmengine.logging import print_log

from luminet_det.distillation.terms import Term

# The standard deviation of K normal values is off by 1 / sqrt(2 (K - 1)): 9% at 64, 18% at 16, 71% at 2. Of one value
# there is none. What that does to the gradient of LumiNetLoss stands in docs/scale.md.
ENOUGH_ROWS = 64
STEPS = 10


class SmallBatch:
    """Counts the rows of the first steps, and warns where they are too few for a deviation of each class.

    It concerns losses with a `sync` setting, which standardise over the rows they see. Rows differ from step to
    step, so their mean over the first 10 steps is judged; it costs nothing and no process waits for another.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def watch(self, name: str, term: Term, rows: list[int]) -> None:
        """Note the rows of a step.

        Args:
            name: The term's name in the log.
            term: The term.
            rows: Rows of each call of the head on this process.
        """
        seen = self._rows.setdefault(name, [])
        if not hasattr(term.loss, 'sync') or len(seen) == STEPS:
            return
        seen.append(sum(rows) / len(rows))
        if len(seen) == STEPS:
            self._judge(name, term, sum(seen) / STEPS)

    def _judge(self, name: str, term: Term, mean: float) -> None:
        processes = get_world_size()
        together = mean * (processes if term.loss.sync else 1)
        if together >= ENOUGH_ROWS:
            return
        alone = processes > 1 and not term.loss.sync
        changes = []
        if alone:
            changes.append(f"sync=True in the term's loss (about {mean * processes:.0f} rows, those of all processes)")
        changes += [f"{option}='all' in the term" for option, value in term.options.items() if value != 'all']
        changes.append('a larger train_dataloader.batch_size')
        if term.tap == 'roi_cls':
            changes.append("a larger num of the RoI head's sampler in train_cfg")
        print_log(
            f'loss_{name}: {type(term.loss).__name__} standardises each class over the rows of a step, and there are '
            f'{together:.0f} of them{f" on each of {processes} processes" if alone else ""} (mean of the first {STEPS} '
            f'steps). From fewer than {ENOUGH_ROWS} the deviation of a class is off by 9% and more, from one row there '
            f'is no signal. Set {", or ".join(changes)}.',
            logger='current',
            level=logging.WARNING,
        )
