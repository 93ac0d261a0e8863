"""The measured runs of a row of a published table, and the command that makes more of them."""

from collections.abc import Iterable, Sequence

from luminet_det.published import cifar100, imagenet
from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import Figure, Row
from luminet_det.published.name import PLAIN, Name
from luminet_det.published.run import FOLDERS, STRONG_AUGMENTATION, TOP1, Run
from luminet_det.published.spread import spread

PAIRS = {'CIFAR-100': (*cifar100.PAIRS, cifar100.VIT_PAIR), 'ImageNet': tuple(imagenet.PAIRS)}
OF_PLAIN = {'teacher': 'teacher', 'student': 'student'}
RECIPES = ('kd', 'dkd', 'luminet')  # methods whose configs are in the folder of the data set itself
# Methods whose configs have a folder of their own, with those pairs that have a published number.
METHODS = (
    'fitnet', 'at', 'sp', 'rkd', 'crd', 'ofd', 'reviewkd', 'fcfd', 'mgd', 'dml', 'mlld', 'dist', 'kd_ls', 'dkd_ls',
    'mlld_ls',
)  # fmt: skip


class Measured:
    """The runs of one data set that stand beside published numbers: those of the full protocol.

    Args:
        runs: Any runs.
        dataset: Of which data set.
    """

    def __init__(self, runs: Iterable[Run], dataset: str) -> None:
        self.dataset = dataset
        self._runs = [run for run in runs if run['dataset'] == dataset and run.full and run.name is not None]

    def runs(self, row: str, pair: Pair, variant: str = '') -> list[Run]:
        """Those of a row: 'teacher' and 'student' are the pair's networks by themselves, others methods."""
        return [run for run in self._runs if run.name == named(row, pair, variant)]

    def accuracy(self, row: str, pair: Pair, kind: str = 'best', metric: str = TOP1, variant: str = '') -> str:
        """Mean ± sd in the best or the last epoch, or 'not run'."""
        found = [run.accuracy(kind, metric) for run in self.runs(row, pair, variant)]
        return spread([value for value in found if value is not None])

    def unpublished(self, rows: Sequence[Row], pairs: Sequence[Pair]) -> tuple[Row, ...]:
        """Rows for measured methods that the published ones lack."""
        known = {PLAIN, *(row.key for row in rows)}
        methods = {
            run.name.method
            for run in self._runs
            if run.name.teacher and Pair(run.name.student, run.name.teacher) in pairs and not run.name.variant
        }
        empty = (Figure(None),) * len(rows[0].figures)
        return tuple(Row(method, 'measured only', empty) for method in sorted(methods - known))

    def config(self, row: str, pair: Pair, variant: str = '') -> str:
        """The name of the row's config."""
        name = getattr(pair, OF_PLAIN[row]) if row in OF_PLAIN else f'{row}_{pair.student}-{pair.teacher}'
        return f'{name}_{variant}' if variant else name

    def command(self, row: str, pair: Pair, variant: str = '') -> str:
        """What trains the row."""
        below = STRONG_AUGMENTATION if variant else row if row in METHODS else ''
        folder = '/'.join(filter(None, (FOLDERS[self.dataset], below)))
        return f'`python tools/train.py configs/{folder}/{self.config(row, pair, variant)}.py`'

    def selection(self, row: str, pair: Pair, variant: str = '') -> str:
        """What the best epoch was selected on."""
        return selected_on(self.runs(row, pair, variant))


def named(row: str, pair: Pair, variant: str = '') -> Name:
    """What the names of a row's configs say."""
    if row in OF_PLAIN:
        return Name(PLAIN, getattr(pair, OF_PLAIN[row]), None, variant)
    return Name(row, pair.student, pair.teacher, variant)


def beside_published(run: Run) -> bool:
    """Whether a run stands in one of the paper's tables."""
    if not run.full or run.name is None or run['dataset'] not in PAIRS:
        return False
    method, student, teacher, variant = run.name
    if teacher is None:
        return not variant and any(student in pair for pair in PAIRS[run['dataset']])
    if variant:
        strong = variant in cifar100.STRONG_AUGMENTATION_VARIANTS and method == 'luminet'
        return strong and (student, teacher) in cifar100.STRONG_AUGMENTATION_PAIRS
    return (student, teacher) in PAIRS[run['dataset']]


def selected_on(runs: Sequence[Run]) -> str:
    """What the best epochs of these runs were selected on; '-' of no run."""
    found = {'test set' if run['selected_on'] == 'test' else str(run['selected_on']) for run in runs}
    return ', '.join(sorted(found)) or '-'
