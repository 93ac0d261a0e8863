"""The runs without a published number to compare with: short ones, changed ones, and other pairs."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from luminet_det.published import config_path
from luminet_det.published.ablation import is_point
from luminet_det.published.markdown import table
from luminet_det.published.measured import beside_published, selected_on
from luminet_det.published.name import PLAIN
from luminet_det.published.run import Run
from luminet_det.published.spread import paired_difference, spread

KINDS = {
    'last': 'last epoch',
    'best': 'best epoch',
    'test last': 'last epoch on the test set',
    'test best': 'best epoch on the test set',
}
OF_METHOD = 'model.'  # prefix of the method's options; others belong to the protocol, shared with the plain student
TITLES = {PLAIN: 'plain', 'kd': 'KD', 'dkd': 'DKD', 'luminet': 'LumiNet'}


@dataclass(frozen=True)
class Protocol:
    """What runs must have in common to be compared."""

    dataset: str
    folder: str
    train_images: int
    epochs: int
    batch_size: int
    options: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, run: Run) -> 'Protocol':
        shared = tuple((key, str(value)) for key, value in run.options.items() if not key.startswith(OF_METHOD))
        return cls(run['dataset'], run.folder, run['train_images'], run['epochs'], run['batch_size'], shared)

    def __str__(self) -> str:
        options = ', '.join(key if value == 'True' else f'{key}={value}' for key, value in self.options)
        text = (
            f'{self.dataset}, configs/{self.folder}, {self.train_images:,} images, {self.epochs} epochs, '
            f'batch {self.batch_size}'
        )
        return f'{text}, {options}' if options else text


@dataclass(frozen=True)
class Section:
    """What a table covers: a protocol, and a pair or a network trained alone."""

    protocol: Protocol
    student: str
    teacher: str | None = None

    @classmethod
    def of(cls, run: Run) -> 'Section':
        if run.name is None:
            return cls(Protocol.of(run), str(run['name']))
        return cls(Protocol.of(run), run.name.student, run.name.teacher)

    @property
    def title(self) -> str:
        return f'{self.student} ← {self.teacher}' if self.teacher else self.student

    @property
    def networks(self) -> tuple['Section', ...]:
        """The sections of a pair's student and teacher trained alone."""
        return tuple(Section(self.protocol, network) for network in (self.student, self.teacher) if self.teacher)


def short_tables(runs: Iterable[Run]) -> str:
    """One table per pair and protocol, one row per method, with its paired difference to the plain student.

    Returns:
        Markdown; '' where every run has a published number to compare with.
    """
    sections: dict[Section, dict[str, list[Run]]] = {}
    for run in runs:
        section = Section.of(run)
        sections.setdefault(section, {}).setdefault(_row(run), []).append(run)
    shown = [
        section
        for section, groups in sections.items()
        if not all(beside_published(run) or is_point(run) for group in groups.values() for run in group)
    ]
    blocks = []
    for section in sorted(shown, key=lambda section: (str(section.protocol), section.title)):
        if not section.teacher and any(section in other.networks for other in shown):
            continue  # its rows are in the table of a pair
        students, teachers = [sections.get(network, {}) for network in section.networks] or ({}, {})
        rows = {row.replace(TITLES[PLAIN], 'teacher', 1): group for row, group in teachers.items()}
        for groups in (students, sections[section]):
            rows |= dict(sorted(groups.items(), key=_order))
        plain = students.get(TITLES[PLAIN], [])
        blocks.append(f'### {section.title}: {section.protocol}\n\n{_table(rows, plain)}\n\n{_how(rows)}')
    return '\n\n'.join(blocks)


def _row(run: Run) -> str:
    if run.name is None:
        return str(run['name'])
    own = {key: value for key, value in run.options.items() if key.startswith(OF_METHOD)}
    extras = [run.name.variant, *(f'{key.removeprefix(OF_METHOD)}={value}' for key, value in own.items())]
    if not run.complete:
        extras.append(f'stopped after epoch {run["metrics"]["last"]["epoch"]}')
    return ', '.join([TITLES.get(run.name.method, run.name.method), *filter(None, extras)])


def _order(item: tuple[str, list[Run]]) -> tuple[int, str]:
    method = item[1][0].name.method if item[1][0].name else ''
    return (list(TITLES).index(method) if method in TITLES else len(TITLES), item[0])


def _table(groups: Mapping[str, list[Run]], plain: Sequence[Run]) -> str:
    kinds = [kind for kind in KINDS if any(run.accuracy(kind) is not None for of in groups.values() for run in of)]
    head = ['', 'n', *(title for kind in kinds for title in (KINDS[kind], 'vs plain')), 'selected on']
    lines = []
    for row, group in groups.items():
        cells = []
        for kind in kinds:
            ours, theirs = _by_seed(group, kind), _by_seed(plain, kind)
            compared = not row.startswith('teacher') and group is not plain and bool(theirs)
            cells += [
                spread(list(ours.values())) if ours else '-',
                paired_difference(ours, theirs) if compared else '-',
            ]
        lines.append([row, str(len(group)), *cells, selected_on(group)])
    return table(head, lines)


def _by_seed(runs: Sequence[Run], kind: str) -> dict[int, float]:
    found = {run['seed']: run.accuracy(kind) for run in runs}
    return {seed: value for seed, value in sorted(found.items()) if value is not None}


def _how(groups: Mapping[str, list[Run]]) -> str:
    """The commands, and what they ran on."""
    commands = '\n'.join(_command(group) for group in groups.values())
    runs = [run for group in groups.values() for run in group]
    places = sorted({f'{run["hardware"]}, torch {run["versions"].get("torch", "unknown")}' for run in runs})
    return f'```bash\n{commands}\n```\n\nOn {"; ".join(places)}.'


def _command(runs: Sequence[Run]) -> str:
    seeds = sorted(run['seed'] for run in runs)
    words = ['python', 'tools/train.py', config_path.shown(runs[0]['config'])]
    found = _options(runs)
    words += [word for key, value in found.items() if key.startswith('--') for word in _flag(key, value)]
    options = [f'{key}={_text(value)}' for key, value in found.items() if not key.startswith('--')]
    rest = shlex.join(['--cfg-options', *options]) if options else ''
    if len(seeds) == 1:
        return f'{shlex.join(words)} --seed {seeds[0]} {rest}'.rstrip()
    # Each seed has its own work dir: in a shared one it would find the checkpoints of the seed before.
    each = f'--seed $seed --work-dir work_dirs/{runs[0]["name"]}_seed$seed'
    return f'for seed in {" ".join(map(str, seeds))}; do {shlex.join(words)} {each} {rest}'.rstrip() + '; done'


def _flag(name: str, value: object) -> list[str]:
    return [name] if value is True else [name, str(value)]


def _options(runs: Sequence[Run]) -> dict[str, object]:
    """The options that all the runs have and that mean something on another machine."""
    first = runs[0]['options']
    return {
        key: value
        for key, value in first.items()
        if all(run['options'].get(key) == value for run in runs) and not str(value).startswith(('/', '~'))
    }


def _text(value: object) -> str:
    """As `--cfg-options` reads it."""
    if isinstance(value, list | tuple):
        return f'[{",".join(_text(part) for part in value)}]'
    return str(value)
