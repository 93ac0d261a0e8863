"""Every saved run of a study can be made by a command on a page, with the teacher that the command names."""

import json
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks import background_rows
from benchmarks.classifier_shootout.settings import ASSISTANT, Setting
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.digits_study import command_line as same_seeds
from benchmarks.digits_study.run import heard_by
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.replication import __main__ as replication
from benchmarks.replication.settings import asked as asked_again
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
STUDIES = [*SHOOTOUTS, 'roi_study', 'replication', 'background_rows']


class Enough(Exception):
    """Ends a search that asks for the same runs again, since nothing is trained here."""


def asked(words, patch):
    """The settings and seeds that a command asks for, including those that its search has tried."""
    module, *options = words
    name, found = module.removeprefix('benchmarks.'), {}

    def work_off(wanted, jobs, dry=False):
        new = dict.fromkeys(wanted)
        if new and new.keys() <= found.keys():
            raise Enough
        found.update(new)

    patch.setattr(sys, 'argv', [name, *options])
    patch.setattr(roi_study, 'work_off', work_off)
    patch.setattr(same_seeds, 'work_off', work_off)
    with suppress(Enough):
        if name in SHOOTOUTS:
            command_line.main(SHOOTOUTS[name], name, '', work_off)
        elif name == 'roi_study':
            roi_study.main()
        elif name == 'replication':
            same_seeds.main(name, '', asked_again().values(), replication.SEEDS)
        else:
            same_seeds.main(name, '', background_rows.asked().values(), background_rows.SEEDS)
    if '--search' in options:
        shootout = SHOOTOUTS[name]
        found.update(((of, SEARCHED), None) for method in shootout.titles for of in shootout.searched(method)[0])
    if name == 'roi_study' and not {'--settings', '--claims', '--chosen', '--questions'} & set(options):
        found.update(((of, SEARCHED), None) for method in LOSSES for of in searched(method)[0])
    if name == 'classifier_shootout':
        found[Setting(ASSISTANT), SEARCHED] = None
    return found


@pytest.fixture(scope='module')
def commanded():
    """The settings that the pages' commands train, by the file of their result."""
    with pytest.MonkeyPatch.context() as patch:
        runs = [run for words in COMMANDS for run in asked(words, patch)]
    found = {}
    for setting, seed in runs:
        found.setdefault(result_file(setting, seed), []).append(setting)
    return found


@pytest.mark.parametrize('study', STUDIES)
def test_every_kept_run_has_a_command(study, commanded):
    kept = set((RESULTS / study).glob('*.json'))
    assert kept <= commanded.keys(), sorted(path.name for path in kept - commanded.keys())


@pytest.mark.parametrize('study', [study for study in STUDIES if study != 'classifier_shootout'])
def test_every_student_of_the_digits_has_heard_the_teacher_that_a_command_names(study, commanded):
    for path in (RESULTS / study).glob('*.json'):
        if told := json.loads(path.read_text()).get('teacher'):
            teachers = [heard_by(setting) for setting in commanded[path]]
            weights = [json.loads(result_file(of, of.seed).read_text())['weights'] for of in teachers]
            assert told in weights, path.name


@pytest.mark.parametrize('study', [*STUDIES, 'teachers'])
def test_every_kept_run_names_a_config_that_is_there(study):
    for path in (RESULTS / study).glob('*.json'):
        named = json.loads(path.read_text())['config']
        assert all((REPOSITORY / name).is_file() for name in ([named] if isinstance(named, str) else named)), path.name
