"""Every kept run of a study is one that a command of its page makes."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import background
from benchmarks.classifier_shootout.settings import ASSISTANT, Setting
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.replication import __main__ as replication
from benchmarks.roi_study import __main__ as roi_study
from benchmarks.roi_study.settings import LOSSES, searched
from benchmarks.study import command_line
from benchmarks.study.found import SEARCHED
from benchmarks.study.setting import REPOSITORY, RESULTS, result_file

DOCS = Path(__file__).parents[2] / 'docs'
COMMANDS = sorted(
    {
        tuple(shlex.split(line, comments=True)[2:])
        for page in ('roi_study.md', 'method_shootout.md')
        for line in re.findall(r'^python -m benchmarks\..*$', (DOCS / page).read_text(), re.M)
    }
)
SHOOTOUTS = dict(method_shootout=DETECTORS, classifier_shootout=CLASSIFIERS)
MAINS = dict(roi_study=roi_study, replication=replication, background=background)


def asked(words, monkeypatch):
    """The result files that a command makes, those beyond the first tries of a search and an assistant included."""
    module, *options = words
    name, found = module.removeprefix('benchmarks.'), set()

    def work_off(wanted, jobs, dry=False):
        found.update(result_file(setting, seed) for setting, seed in wanted)

    monkeypatch.setattr(sys, 'argv', [name, *options])
    if name in SHOOTOUTS:
        shootout = SHOOTOUTS[name]
        if '--search' in options:
            found.update(result_file(of, SEARCHED) for method in shootout.titles for of in shootout.searched(method)[0])
        if name == 'classifier_shootout':
            found.add(result_file(Setting(ASSISTANT), SEARCHED))
        command_line.main(shootout, name, '', work_off)
        return found
    monkeypatch.setattr(MAINS[name], 'work_off', work_off)
    if name == 'roi_study':
        found.update(result_file(of, SEARCHED) for method in LOSSES for of in searched(method)[0])
    MAINS[name].main()
    return found


@pytest.mark.parametrize('study', [*SHOOTOUTS, *MAINS])
def test_every_kept_run_has_a_command(study, monkeypatch):
    made = set().union(*(asked(words, monkeypatch) for words in COMMANDS))
    kept = set((RESULTS / study).glob('*.json'))
    assert kept <= made, sorted(path.name for path in kept - made)


@pytest.mark.parametrize('study', [*SHOOTOUTS, *MAINS, 'teachers'])
def test_every_kept_run_names_a_config_that_is_there(study):
    for path in (RESULTS / study).glob('*.json'):
        assert all((REPOSITORY / name).is_file() for name in json.loads(path.read_text())['config'].split()), path.name
