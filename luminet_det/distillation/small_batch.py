"""SmallBatch: warns once about a term whose loss takes statistics over too few rows, and says what to set."""

import logging

from mmengine.dist import get_world_size
from mmengine.logging import print_log

from luminet_det.distillation.terms import Term

# The standard deviation of K normal values is off by 1 / sqrt(2 (K - 1)): 9% at 64, 18% at 16, 71% at 2. A single value
# has none. docs/scale.md shows what that does to the gradient of LumiNetLoss.
ENOUGH_ROWS = 64
STEPS = 10


class SmallBatch:
    """Counts the rows of the first steps, and warns if they are too few for the standard deviation of each class.

    This concerns losses with a `sync` setting, which standardise over the rows they see. The number of rows varies from
    step to step, so its mean over the first 10 steps is used. Counting costs nothing, and no process waits for another.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def watch(self, name: str, term: Term, rows: list[int]) -> None:
        """Count the rows of a step.

        Args:
            name: The term's name in the log.
            term: The term.
            rows: How many rows each call of the head has on this process.
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
            changes.append(f"sync=True in the term's loss (about {mean * processes:.0f} rows, from all processes)")
        changes += [f"{option}='all' in the term" for option, value in term.options.items() if value != 'all']
        changes.append('a larger train_dataloader.batch_size')
        if term.tap == 'roi_cls':
            changes.append("a larger num of the RoI head's sampler in train_cfg")
        print_log(
            f'loss_{name}: {type(term.loss).__name__} standardises each class over the rows of a step, but there are '
            f'only {together:.0f}{f" on each of {processes} processes" if alone else ""} (mean of the first {STEPS} '
            f'steps). With fewer than {ENOUGH_ROWS}, the standard deviation of a class is off by 9% or more, and '
            f'with one row there is no signal. Set {", or ".join(changes)}.',
            logger='current',
            level=logging.WARNING,
        )
