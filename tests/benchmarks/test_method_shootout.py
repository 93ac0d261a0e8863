"""The shoot-out trains each method's config with its weights times a factor and nothing else changed."""

import pytest
from mmengine.config import Config

from benchmarks.digits_study.run import QUICKSTART, Teacher, listens, write_config
from benchmarks.method_shootout.settings import PLAIN, Assistant, Setting, alone, methods, tries
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.roi_study import settings as roi_study
from benchmarks.study import found
from benchmarks.study.price import apart
from benchmarks.study.setting import result_file
from benchmarks.study.shootout import FACTORS
from luminet_det.distillation.loss_setting import build_loss

METHODS = methods()


@pytest.mark.parametrize('method', METHODS)
def test_a_try_is_the_methods_config_with_its_weights_times_the_factor(method):
    stock, changed = Config.fromfile(QUICKSTART / f'{method}_student.py'), Setting(method, 4).build()
    for own, other in zip(changed.model.distill, stock.model.distill, strict=True):
        assert own.loss.pop('loss_weight') == pytest.approx(4 * build_loss(other.loss).loss_weight)
        other.loss.pop('loss_weight', None)
    if Setting(method, 4).studied:  # the study's student has more choices of rows, imports its losses, and logs means
        assert changed.model.type == 'luminet_det.StudiedDetector'
        changed.model.type = stock.model.type
        changed.log_processor.pop('mean_pattern')
        stock.custom_imports = dict(imports=['benchmarks.roi_study.perception'])
    assert changed.to_dict() == stock.to_dict()


def test_a_run_of_the_roi_study_is_not_made_again():
    assert Setting(PLAIN).studied == roi_study.PLAIN
    assert [of.studied for of in tries('luminet')[2:5]] == [
        roi_study.luminet(tau=2, loss_weight=n) for n in (4, 16, 64)
    ]
    assert result_file(Setting('kd', 1), 0) == result_file(roi_study.KD_FOREGROUND, 0)
    assert Setting('fgd').studied is None


def test_every_method_has_as_many_tries_and_all_have_names_of_their_own():
    assert {len(tries(method)) for method in METHODS} == {len(FACTORS)}
    names = [setting.name for method in METHODS for setting in (*tries(method), alone(method))]
    assert len(set(names)) == len(METHODS) * len(FACTORS) + len({alone(method).name for method in METHODS})


def test_a_method_of_another_width_is_compared_with_its_own_student_alone():
    assert alone('kd') == Setting(PLAIN)
    wide = alone('pkd').build()
    assert wide.model.neck.out_channels == Setting('pkd').build().model.neck.out_channels
    assert [term.loss.loss_weight for term in wide.model.distill] == [0]


def test_a_student_listens_to_the_studies_teacher_but_peers_start_from_scratch(tmp_path):
    heard = {
        method: Config.fromfile(write_config(setting, setting.build(), tmp_path / method)).model.teacher
        for method in ('kd', 'dml')
        for setting in [Setting(method)]
    }
    assert heard['kd'].checkpoint == f'work_dirs/teachers/{Teacher().name}-0/iter_750.pth'
    assert 'checkpoint' not in heard['dml']
    assert not listens(Setting('dml').build())


@pytest.fixture
def runs(monkeypatch):
    kept = {}

    def add(setting, *of_seeds):
        scores = [dict(scores={split: dict(AP=ap) for split in ('tune', 'report')}) for ap in of_seeds]
        kept.setdefault(setting.study, {})[setting.name] = dict(enumerate(scores))

    monkeypatch.setattr(found, '_runs', lambda study: kept.get(study, {}))
    add(Teacher(), 0.6)
    add(Setting(PLAIN), 0.1, 0.2, 0.22, 0.18)
    for factor, seeds in [(0.25, [0.2]), (1, [0.35, 0.3, 0.33, 0.27]), (4, [0.29])]:
        add(Setting('kd', factor), *seeds)
    for factor, seeds in [(0.25, [0.3]), (1, [0.35]), (4, [0.45, 0.4, 0.44, 0.39]), (16, [0.2])]:
        add(Setting('luminet', factor), *seeds)
    return add


def rows(table):
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if line.startswith('|')
    ]
    return {line[0]: line[1:] for line in cells}


def test_the_table_has_each_methods_best_by_fresh_seeds_first_what_won_and_at_last_what_has_not_run(runs):
    table = rows(DETECTORS.results())
    assert list(table)[2:4] == ['LumiNet', 'KD']
    assert table['LumiNet'][:3] == ['4', '3', '41.00 ± 2.65']
    assert table['LumiNet'][3].startswith('+21.00 (')
    assert table['LumiNet'][4].startswith('+11.00 (')
    assert table['LumiNet'][5:7] == ['', '52%']
    assert table['KD'][:2] == ['1', '3']
    assert table['KD'][4] == ''
    assert table['KD'][5].startswith('-11.00 (')
    assert table['FGD'][2] == 'not run'


def test_a_search_goes_on_beyond_a_weight_that_is_best_at_an_end(runs):
    assert DETECTORS.searched('kd')[1] == []
    assert DETECTORS.searched('luminet') == ([Setting('luminet', factor) for factor in (0.25, 1, 4, 16)], [])
    assert DETECTORS.searched('fgd')[1] == [Setting('fgd', factor) for factor in (0.25, 1, 4)]
    for factor, ap in [(0.25, 0.3), (1, 0.2), (4, 0.1)]:
        runs(Setting('fgd', factor), ap)
    assert DETECTORS.searched('fgd')[1] == [Setting('fgd', 1 / 16)]
    # A run made for another purpose does not count as a try.
    runs(Setting('kd', 64), 0.9)
    assert DETECTORS.best('kd') == Setting('kd', 1)


def test_the_student_of_the_chain_listens_to_the_assistant(tmp_path):
    config = Config.fromfile(write_config(Setting('takd'), Setting('takd').build(), tmp_path / 'takd'))
    assert config.model.teacher.checkpoint == 'work_dirs/teachers/assistant-0/iter_750.pth'
    assistant = Config.fromfile(write_config(Assistant(), Assistant().build(), tmp_path / 'assistant'))
    assert assistant.model.teacher.checkpoint == f'work_dirs/teachers/{Teacher().name}-0/iter_750.pth'


def test_the_search_shows_the_tries_and_which_was_taken(runs):
    assert rows(DETECTORS.search())['KD'] == ['20.0', '**35.0**', '29.0', '']


def test_labels_of_points_beside_one_another_do_not_lie_on_one_another():
    places = [(1.0, 44.0), (1.01, 43.8), (1.0, 44.2), (1.9, 44.0), (1.0, 50.0)]
    heights = apart(places, width=0.1, height=1)
    assert heights == [44.8, 43.8, 45.8, 44.0, 50.0]
