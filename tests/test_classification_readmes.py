"""The READMEs of the classifiers' configs list all configs, and show commands that the tools accept."""

import re
import shlex

import pytest

from luminet_det import config
from luminet_det.published import cifar100, imagenet
from luminet_det.published.name import read_name
from tests.classification_configs import CONFIGS, COUNTS, METHODS, ROOT, every, of_folder, parsed, work_dir
from tools import linear_probe, sweep, train


@pytest.mark.parametrize('folder', COUNTS)
def test_a_readme_lists_every_config_of_its_folder_and_no_other(folder):
    listed = re.findall(r'\(([^()\s/]+\.py)\)', (ROOT / 'configs' / folder / 'README.md').read_text())
    assert sorted(set(listed)) == sorted(path.name for path in (ROOT / 'configs' / folder).glob('*.py'))


BEYOND = [
    ROOT / 'configs' / 'cifar100' / f'{row.key}_{pair.student}-{pair.teacher}.py'
    for row in cifar100.TOP1
    for pair in cifar100.BEYOND_THE_PAPER
    if row.key in ('kd', 'dkd') and str(row.figures[cifar100.PAIRS.index(pair)]) != '-'
]


@every([*METHODS, *BEYOND])
def test_a_method_stands_in_its_row_and_its_pairs_column_with_the_published_number(path):
    name, large = read_name(path.stem), of_folder(path) == 'imagenet'
    readme = (ROOT / 'configs' / of_folder(path) / 'README.md').read_text()
    link = f']({path.relative_to(ROOT / "configs" / of_folder(path))})'
    assert readme.count(link) == 1
    if path.parent.name == 'mcld':
        assert f'**our reconstruction** from its abstract, for one pair, [resnet8x4 ← resnet32x4{link}' in readme
        return
    (table,) = (lines for lines in tables(readme) if link in '\n'.join(lines))
    (line,) = (cells(line) for line in table if link in line)
    (column,) = (i for i, cell in enumerate(line) if link in cell)
    pair = imagenet.Pair(name.student, name.teacher)
    rows = {row.key: row for row in (imagenet.PAIRS[pair] if large else cifar100.TOP1)}
    header = {'resnet18': 'ResNet-18 ← ResNet-34', 'mobilenetv1': 'MobileNet-V1 ← ResNet-50'}.get(name.student)
    assert cells(table[0])[column] == (header if large else str(pair))
    told = line[column].replace(link, ']')
    if not large:
        number, _, mark = str(rows[name.method].figures[cifar100.PAIRS.index(pair)]).partition(' [')
        assert line[0] == rows[name.method].method
        assert told == f'[{number}]' + f' [{mark}' * bool(mark)
    elif name.method in rows:
        figures = [figure for figure in rows[name.method].figures if figure.value is not None]
        numbers = ' / '.join(str(figure).partition(' [')[0] for figure in figures)
        assert told == f'[{numbers}]' + ' [R]' * any(figure.mark for figure in figures)
    else:
        runs = [row for row in rows.values() if row.method.partition(',')[0] == line[0]]
        assert told in [f'[{row.figures[0]} ({row.method.partition(", ")[2]})]' for row in runs] or (
            told == '[not read]' and not runs
        )


def tables(text: str) -> list[list[str]]:
    """The lines of each table of a page."""
    blocks = ([line for line in block.splitlines() if line.startswith('|')] for block in text.split('\n\n'))
    return [block for block in blocks if block]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip('|').split('|')]


def commands(tool: str) -> list:
    """A tool's commands in the READMEs, with lines that end in a backslash joined to the next."""
    found = []
    for folder in COUNTS:
        text = (ROOT / 'configs' / folder / 'README.md').read_text().replace('\\\n', ' ')
        lines = [line for line in text.splitlines() if line.startswith(f'python tools/{tool}.py ')]
        found += [
            pytest.param(shlex.split(line, comments=True)[2:], id=f'{folder}-{i}') for i, line in enumerate(lines)
        ]
    return found


@pytest.mark.parametrize('words', commands('sweep'))
def test_a_sweep_that_a_readme_shows_can_be_run(words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    own, _, extra = ' '.join(shlex.quote(word) for word in words).partition(' -- ')
    dry = [*shlex.split(own), '--dry-run', *(['--', *shlex.split(extra)] if extra else [])]
    assert sweep.main(dry) == 0
    assert 'tools/train.py' in capsys.readouterr().out


@pytest.mark.parametrize('words', commands('train'))
def test_a_training_that_a_readme_shows_has_a_config(words):
    args = train.parser().parse_args(words)
    assert ROOT / args.config in CONFIGS
    config.load(args)


@pytest.mark.parametrize('words', commands('linear_probe'))
def test_a_probe_that_a_readme_shows_is_of_what_a_config_leaves(words):
    args = linear_probe.parser().parse_args(words)
    path = ROOT / args.config
    assert path in CONFIGS
    assert args.checkpoint == f'{work_dir(path)}/epoch_{parsed(path).train_cfg.max_epochs}.pth'
    assert args.data in ('tiny-imagenet', 'stl10')
