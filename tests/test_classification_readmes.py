"""The READMEs beside the classifiers' configs list all of them, and their commands run."""

import re
import shlex

import pytest

from luminet_det import config
from tests.classification_configs import CONFIGS, COUNTS, ROOT, parsed, work_dir
from tools import linear_probe, sweep, train


@pytest.mark.parametrize('folder', COUNTS)
def test_a_readme_lists_every_config_of_its_folder_and_no_other(folder):
    listed = re.findall(r'\(([^()\s/]+\.py)\)', (ROOT / 'configs' / folder / 'README.md').read_text())
    assert sorted(set(listed)) == sorted(path.name for path in (ROOT / 'configs' / folder).glob('*.py'))


def commands(tool: str) -> list:
    """The commands of a tool in the READMEs, with lines that end in a backslash joined."""
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
