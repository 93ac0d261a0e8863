"""The measured runs of a row of a published table, and the command that trains more of them."""

from collections.abc import Iterable, Sequence

from luminet_det.published import assistant, cifar100, imagenet
from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import Figure, Row
from luminet_det.published.name import PLAIN, Name
from luminet_det.published.run import ABLATIONS, FOLDERS, STRONG_AUGMENTATION, TOP1, Run
from luminet_det.published.spread import spread

PAIRS = {'CIFAR-100': (*cifar100.PAIRS, cifar100.VIT_PAIR), 'ImageNet': tuple(imagenet.PAIRS)}
OF_PLAIN = {'teacher': 'teacher', 'student': 'student'}
RECIPES = ('kd', 'dkd', 'luminet')  # methods whose configs are in the folder of the dataset itself
# Methods with their own folder of configs, for the pairs that have a published number.
METHODS = (
    'fitnet', 'at', 'sp', 'rkd', 'crd', 'ofd', 'reviewkd', 'fcfd', 'mgd', 'dml', 'mlld', 'dist', 'kd_ls', 'dkd_ls',
    'mlld_ls',
)  # fmt: skip
CHAINED = 'takd'  # the method that trains an assistant first


class Measured:
    """The runs of one dataset that are compared with published numbers: those of the full protocol.

    Args:
        runs: Any runs.
        dataset: Name of the dataset.
    """

    def __init__(self, runs: Iterable[Run], dataset: str) -> None:
        self.dataset = dataset
        self._runs = [run for run in runs if run['dataset'] == dataset and run.full and run.name is not None]

    def runs(self, row: str, pair: Pair, variant: str = '') -> list[Run]:
        """The runs of a row: 'teacher' and 'student' are the pair's networks trained alone, other rows are methods."""
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
        return config_name(row, pair, variant)

    def command(self, row: str, pair: Pair, variant: str = '') -> str:
        """The command that trains the row."""
        own = config_file(self.dataset, row, pair, variant)
        if row == CHAINED:
            return f'`python tools/train_chain.py {" ".join([*assistant.before(self.dataset, pair), own])}`'
        return f'`python tools/train.py {own}`'

    def selection(self, row: str, pair: Pair, variant: str = '') -> str:
        """What the best epoch was selected on."""
        return selected_on(self.runs(row, pair, variant))


def config_name(row: str, pair: Pair, variant: str = '') -> str:
    """The name of a row's config."""
    name = getattr(pair, OF_PLAIN[row]) if row in OF_PLAIN else f'{row}_{pair.student}-{pair.teacher}'
    sign = '-' if variant == cifar100.ENSEMBLE_TEACHER else '_'
    return f'{name}{sign}{variant}' if variant else name


def config_file(dataset: str, row: str, pair: Pair, variant: str = '') -> str:
    """The path of a row's config."""
    if variant:
        below = ABLATIONS if variant == cifar100.ENSEMBLE_TEACHER else STRONG_AUGMENTATION
    else:
        below = row if row in (*METHODS, CHAINED) else ''
    return '/'.join(filter(None, ('configs', FOLDERS[dataset], below, f'{config_name(row, pair, variant)}.py')))


def named(row: str, pair: Pair, variant: str = '') -> Name:
    """The name of a row's configs, taken apart."""
    if row in OF_PLAIN:
        return Name(PLAIN, getattr(pair, OF_PLAIN[row]), None, variant)
    return Name(row, pair.student, pair.teacher, variant)


def beside_published(run: Run) -> bool:
    """Whether a run is in one of the paper's tables, or is the ensemble of its figure 4d."""
    if not run.full or run.name is None or run['dataset'] not in PAIRS:
        return False
    method, student, teacher, variant = run.name
    if teacher is None:
        return not variant and any(student in pair for pair in PAIRS[run['dataset']])
    if variant == cifar100.ENSEMBLE_TEACHER:
        return (method, student, teacher) == ('luminet', *cifar100.ENSEMBLE_PAIR)
    if variant:
        strong = variant in cifar100.STRONG_AUGMENTATION_VARIANTS and method == 'luminet'
        return strong and (student, teacher) in cifar100.STRONG_AUGMENTATION_PAIRS
    return (student, teacher) in PAIRS[run['dataset']]


def selected_on(runs: Sequence[Run]) -> str:
    """What the best epochs of these runs were selected on; '-' without runs."""
    found = {'test set' if run['selected_on'] == 'test' else str(run['selected_on']) for run in runs}
    return ', '.join(sorted(found)) or '-'
