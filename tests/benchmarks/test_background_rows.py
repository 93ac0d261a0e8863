"""The study of background rows has its own seeds and teacher, and a foreground row weighs about as much in each run."""

import json
from statistics import fmean

import pytest

from benchmarks import background_rows
from benchmarks.digits_study import run
from benchmarks.digits_study.run import Teacher
from benchmarks.roi_study.settings import WATCHED
from benchmarks.study import found
from benchmarks.study.setting import RESULTS, result_file

FILES = sorted((RESULTS / 'background_rows').glob('*.json'))


def test_its_results_are_counted_in_no_other_table():
    for setting in background_rows.asked().values():
        assert result_file(setting, 11).parent.name == 'background_rows'
        assert setting.teacher.seed == background_rows.TEACHER


def test_weights_go_with_the_number_of_rows():
    of = background_rows.WEIGHTS
    for (_, rows), setting in background_rows.asked().items():
        assert setting.term['loss_weight'] == of[rows]
    assert of['balanced'] == 2 * of['foreground']
    shares = [
        share for by_step in found.logged(WATCHED[0], 'share_foreground_rows').values() for share in by_step.values()
    ]
    assert of['foreground'] / of['all'] == pytest.approx(fmean(shares), abs=0.02)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_kept_result_is_of_what_is_asked_and_of_that_teacher(path):
    content = json.loads(path.read_text())
    config = {setting.name: setting for setting in background_rows.asked().values()}[content['setting']].build()
    expected = dict(distill=run.options(config), **run.recipe(config))
    teacher = json.loads(result_file(Teacher(seed=background_rows.TEACHER), background_rows.TEACHER).read_text())
    assert {key: content[key] for key in expected} == expected
    assert content['teacher'] == teacher['weights']


def test_the_lead_is_compared_between_the_rows(monkeypatch):
    scores = {
        ('kd', 'all'): (0.40, 0.41, 0.42),
        ('kd', 'balanced'): (0.42, 0.43, 0.44),
        ('kd', 'foreground'): (0.45, 0.46, 0.47),
        ('luminet', 'all'): (0.48, 0.48, 0.48),
        ('luminet', 'balanced'): (0.48, 0.48, 0.48),
        ('luminet', 'foreground'): (0.48, 0.48, 0.48),
    }
    runs = {
        background_rows.asked()[key].name: {seed: dict(scores=dict(report=dict(AP=ap))) for seed, ap in enumerate(of)}
        for key, of in scores.items()
    }
    monkeypatch.setattr(found, '_runs', lambda study: runs if study == 'background_rows' else {})
    *_, last = background_rows.by_rows().splitlines()
    assert [cell.split(' (')[0].strip() for cell in last.split('|')[2:5]] == ['-5.00', '+0.00', '+5.00']
