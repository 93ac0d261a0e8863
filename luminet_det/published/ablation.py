"""The sweeps of the LumiNet paper's figure 4, b and c: which runs are points of them, and their commands."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from luminet_det.published import cifar100
from luminet_det.published.figure import Row
from luminet_det.published.measured import config_file, named
from luminet_det.published.run import BATCH_SIZE, PROTOCOLS, TOP1, Run

DATASET = 'CIFAR-100'
TAU, WEIGHT = 'model.distill.0.loss.tau', 'model.distill.0.loss.loss_weight'
ALPHA = 8.25  # per tau; the pair's published 33 / 4
OWN_TAU = 4


@dataclass(frozen=True)
class Sweep:
    """One option over several values, with all else as in table 1.

    Args:
        name: Prefix of its work dirs.
        option: Its key in a config.
        values: The values of the option.
        rows: The published rows, with a figure for each value.
        place: The value that a run belongs to; None for a run that is not a point of the sweep.
        link: An option that depends on it, as `tools/sweep.py --with` takes it; '' if none does.
    """

    name: str
    option: str
    values: tuple[int, ...]
    rows: tuple[Row, ...]
    place: Callable[[Run], float | None]
    link: str = ''

    def runs(self, runs: Iterable[Run], row: str, value: int) -> list[Run]:
        """The runs of a row at a value, one per seed: one of the sweep rather than one of table 1."""
        found = [run for run in runs if run.name == named(row, cifar100.SWEPT_PAIR) and self.place(run) == value]
        return list({run['seed']: run for run in sorted(found, key=lambda run: len(run.options))}.values())

    def holds(self, run: Run) -> bool:
        """Whether a run is a point of one of the rows."""
        known = [named(row.key, cifar100.SWEPT_PAIR) for row in self.rows]
        return run.name in known and self.place(run) in self.values

    def command(self, row: str, values: Sequence[int]) -> str:
        """The command that trains a row at these values, with three seeds each."""
        words = [
            'python tools/sweep.py',
            config_file(DATASET, row, cifar100.SWEPT_PAIR),
            f'--metric {TOP1} --seeds 3 --grid {self.option}={",".join(map(str, values))}',
            f"--with '{self.link}'" if self.link else '',
            f'--work-dir work_dirs/{self.name}_{"plain" if row == "student" else row}',
        ]
        return f'`{" ".join(filter(None, words))}`'


def _batch_size(run: Run) -> int | None:
    size = run['batch_size']
    # Not a run of several processes that each take a share of the batch.
    whole = run['options'].get(BATCH_SIZE, PROTOCOLS[DATASET]['batch_size']) == size
    return size if run['dataset'] == DATASET and whole and run.follows(batch_size=size) else None


def _tau(run: Run) -> float | None:
    tau = run.options.get(TAU, OWN_TAU)
    changed = {TAU: tau, WEIGHT: (ALPHA * tau) ** 2} if TAU in run.options else {}
    return tau if run['dataset'] == DATASET and run.follows(changed) else None


SWEEPS = {
    'batch size': Sweep('batch_size', BATCH_SIZE, cifar100.BATCH_SIZES, cifar100.BATCH_SIZE, _batch_size),
    'tau': Sweep('tau', TAU, cifar100.TAUS, cifar100.TAU, _tau, f'{WEIGHT}=({ALPHA} * {{{TAU}}}) ** 2'),
}


def is_point(run: Run) -> bool:
    """Whether a run is in a table of the sweeps."""
    return any(sweep.holds(run) for sweep in SWEEPS.values())
