"""tools/compare.py: compares the student alone with the distilled one, seed by seed, from their work dirs."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from luminet_det.comparison import compare
from tests import pairs, runs, tiny
from tools import compare as tool
from tools import train

AP = 'coco/bbox_mAP'


@pytest.fixture
def work(tmp_path):
    """Returns a function that makes the work dir of a run that ends with a given AP, after a better validation."""

    def made(name, seed, ap, step=12, metric=AP, **logged):
        logs = tmp_path / name / '20261122_000000' / 'vis_data'
        logs.mkdir(parents=True)
        (logs / 'config.py').write_text(f'randomness = dict(seed={seed})\n')
        lines = [{'loss': 1.0, 'iter': 5, 'step': 5}, {metric: ap + 0.01, 'step': step - 1}, {metric: ap, 'step': step}]
        lines[1] |= logged
        (logs / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        return tmp_path / name

    return made


def cells(text):
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines()[:5] if '---' not in line]


def test_the_table_has_the_paired_difference_and_how_much_of_the_gap_is_closed(work):
    plain = [work(f'plain{seed}', seed, ap) for seed, ap in ((0, 0.20), (1, 0.30), (2, 0.22))]
    teacher = {f'teacher/{AP}': 0.48, f'gap/{AP}': 0.1}
    taught = [work(f'taught{seed}', seed, ap, **teacher) for seed, ap in ((2, 0.32), (0, 0.31), (1, 0.39))]
    text = compare(plain, taught)
    assert cells(text) == [
        ['', 'seeds', f'{AP} x 100, last', 'best', 'vs student alone', 'gap closed'],
        ['teacher', '', '48.00', '', '', ''],
        ['student alone', '3', '24.00 ± 5.29', '25.00 ± 5.29', '', ''],
        ['distilled', '3', '34.00 ± 4.36', '35.00 ± 4.36', '+10.00 (+7.52 to +12.48)', '42%'],
    ]
    assert 'ahead on 3 of 3 seeds, by +10.00 on average' in text
    assert text.endswith('excludes zero: it is better.')


def test_a_result_without_a_history_and_a_later_test_do_not_disturb(work):
    """The quickstart writes such a result.json, and tools/test.py such a folder."""
    plain = [work(f'plain{seed}', seed, ap) for seed, ap in ((0, 0.20), (1, 0.30), (2, 0.22))]
    taught = [work(f'taught{seed}', seed, ap) for seed, ap in ((2, 0.32), (0, 0.31), (1, 0.39))]
    undisturbed = compare(plain, taught)
    for folder in (*plain, *taught):
        (folder / 'result.json').write_text('{"ap": 0.5}')
        tested = folder / '20261123_000000' / 'vis_data'
        tested.mkdir(parents=True)
        (tested / 'config.py').write_text('randomness = dict(seed=None)\n')
        (tested.parent / 'x.json').write_text('{}')
    assert compare(plain, taught) == undisturbed


def test_runs_of_iterations_that_log_by_epoch_are_as_long_as_their_iterations(work):
    def iterations(name, length):
        folder = work(name, 0, 0.2)
        (log,) = folder.glob('*/vis_data/scalars.json')
        log.write_text(f'{json.dumps(dict(loss=1.0, iter=length, step=length))}\n{json.dumps({AP: 0.2, "step": 0})}')
        return folder

    with pytest.raises(ValueError, match='Runs of different lengths are not compared: a 2, b 4'):
        compare([iterations('a', 2)], [iterations('b', 4)])


def test_a_run_that_detected_nothing_has_an_ap_of_0(work):
    taught = [work('taught0', 0, 0.2)]
    silent = work('silent', 0, 0.1)
    (log,) = silent.glob('*/vis_data/scalars.json')
    lines = [dict(loss=1.0, iter=5, step=5), {AP: 0.01, 'step': 6, 'time': 0.1}, {'step': 12, 'time': 0.1}]
    log.write_text('\n'.join(map(json.dumps, lines)))
    assert cells(compare([silent], taught))[2][2:4] == ['0.00', '1.00']
    assert cells(compare([silent], [silent]))[2][2:4] == ['0.00', '1.00']
    log.write_text('\n'.join(map(json.dumps, lines[::2])))
    with pytest.raises(ValueError, match='silent has no score; there are: step, time'):
        compare([silent], [silent])


def test_what_seeds_do_not_show_is_said(work):
    plain = [work(f'plain{seed}', seed, 0.2) for seed in range(3)]
    taught = [work(f'taught{seed}', seed, ap) for seed, ap in enumerate((0.21, 0.35, 0.17))]
    assert compare(plain, taught).endswith('contains zero: these runs do not tell them apart.')
    assert compare(plain[:2], taught[:2]).endswith('fewer than 3 seeds prove nothing.')
    worse = [work(f'worse{seed}', seed, ap) for seed, ap in enumerate((0.1, 0.11, 0.1))]
    assert compare(plain, worse).endswith('excludes zero: it is worse.')


def test_only_seeds_that_both_have_are_compared(work):
    plain = [work(f'plain{seed}', seed, ap) for seed, ap in ((0, 0.1), (1, 0.2))]
    taught = [work(f'taught{seed}', seed, ap) for seed, ap in ((1, 0.25), (5, 0.9))]
    assert 'ahead on 1 of 1 seeds, by +5.00' in compare(plain, taught)
    with pytest.raises(ValueError, match=r'No seed is common: the student alone has \[0\], the distilled one \[5\]'):
        compare(plain[:1], taught[1:])


def test_the_gap_that_is_closed_is_that_of_the_seeds_that_both_have(work):
    plain = [work(f'plain{seed}', seed, ap) for seed, ap in ((0, 0.1), (1, 0.2))]
    taught = [work(f'taught{seed}', seed, ap, **{f'teacher/{AP}': 0.4}) for seed, ap in ((1, 0.25), (5, 0.9))]
    assert cells(compare(plain, taught))[3][-1] == '25%'


def test_of_several_teachers_the_best_is_the_measure(work):
    plain = [work(f'plain{seed}', seed, 0.2) for seed in range(2)]
    taught = [work(f'taught{seed}', seed, 0.3, **{f'teacher/{AP}': ap}) for seed, ap in enumerate((0.4, 0.6))]
    assert cells(compare(plain, taught))[1][2] == '60.00'


def test_what_cannot_be_compared_is_named(work, tmp_path):
    plain = work('plain', 0, 0.2)
    with pytest.raises(ValueError, match='again, plain .student alone. have the same seed'):
        compare([plain, work('again', 0, 0.2)], [plain])
    with pytest.raises(ValueError, match='different lengths are not compared: plain 12, longer 24'):
        compare([plain], [work('longer', 0, 0.3, step=24)])
    with pytest.raises(ValueError, match=f'plain has no accuracy/top1; there are: {AP}'):
        compare([plain], [plain], 'accuracy/top1')
    with pytest.raises(ValueError, match='nowhere is not the work dir of a run that was validated'):
        compare([tmp_path / 'nowhere'], [plain])
    with pytest.raises(ValueError, match='trained without a seed'):
        compare([work('seedless', None, 0.2)], [plain])


def test_a_classifier_is_compared_on_the_test_set_in_its_own_units(work):
    folders = [work(f'of{seed}', seed, 10.0, metric='accuracy/top1') for seed in range(2)]
    (folders[0] / 'result.json').write_text(
        json.dumps(
            dict(
                history=[dict(epoch=12, iteration=9) | {'accuracy/top1': 10.0}],
                test=dict(last={'accuracy/top1': 42.0}, best={'accuracy/top1': 43.0}),
            )
        )
    )
    assert cells(compare(folders[:1], folders[:1]))[2][:4] == ['student alone', '1', '42.00', '43.00']


@pytest.mark.parametrize(
    ('metric', 'scores', 'shown'),
    [
        ('accuracy/top1', (0.7, 0.9), ['0.70', '0.90']),
        ('coco/bbox_mAP', (0.7, 0.9), ['70.00', '90.00']),
        ('pascal_voc/mAP', (0.7, 0.9), ['70.00', '90.00']),
        ('other/score', (0.7, 0.9), ['70.00', '90.00']),
        ('other/score', (0.7, 9.0), ['0.70', '9.00']),
    ],
)
def test_accuracies_are_in_percent_however_low_and_aps_are_fractions(work, metric, scores, shown):
    plain, taught = (work(name, 0, score, metric=metric) for name, score in zip(('a', 'b'), scores, strict=True))
    assert [row[2] for row in cells(compare([plain], [taught]))[2:]] == shown


def test_runs_of_the_tools_are_compared(tmp_path, data, capsys):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn(base_channels=16))
    for name, model in (('plain', tiny.faster_rcnn()), ('taught', pairs.distilling(tiny.faster_rcnn(), teacher))):
        config = runs.tiny_config(tmp_path / f'{name}_config.py', data, model, max_iters=2)
        cfg = Config.fromfile(config)
        cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')] if name == 'taught' else []
        words = [runs.config_file(config, cfg), '--work-dir', tmp_path / name, '--seed', 3]
        finished = runs.run(train.main, words, tmp_path)
        assert finished.code == 0, finished.text
    capsys.readouterr()
    plain, taught, table = (str(tmp_path / name) for name in ('plain', 'taught', 'table.md'))
    tool.main(['--plain', plain, '--distilled', taught, '--out', table])
    printed = capsys.readouterr().out
    rows = cells(printed)
    assert [row[:2] for row in rows[1:]] == [['teacher', ''], ['student alone', '1'], ['distilled', '1']]
    assert rows[1][2] != '-'
    assert Path(table).read_text() == printed
    with pytest.raises(SystemExit):
        tool.main(['--plain', str(tmp_path), '--distilled', taught])
    assert 'compare.py: error: ' in capsys.readouterr().err


def test_runs_on_other_images_are_compared_with_a_word(work):
    folders = [work('plain', 0, 0.20), work('taught', 0, 0.31)]
    for folder, images, selected in zip(folders, (1000, 900), ('test', 'held-out part'), strict=True):
        (folder / 'result.json').write_text(json.dumps(dict(train_images=images, selected_on=selected, dataset='x')))
    text = compare(folders[:1], folders[1:])
    assert '**Not the same images**, train_images: student alone 1000, distilled 900.' in text
    assert '**Not the same images**, selected_on: student alone test, distilled held-out part.' in text
    assert 'images**, dataset' not in text
