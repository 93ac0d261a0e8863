"""The study's variants of LumiNet do what their names say, and its sets and scores are as the page describes them."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from pycocotools.coco import COCO

from benchmarks.digits_study import run, scenes
from benchmarks.digits_study.run import Teacher
from benchmarks.digits_study.scores import score
from benchmarks.roi_study.perception import StudiedDetector, StudiedLumiNetLoss, log_gradient, near_rows
from benchmarks.roi_study.settings import (
    BASE,
    KD,
    LOSSES,
    PAIR,
    PLAIN,
    QUESTIONS,
    Setting,
    first_tries,
    luminet,
    searched,
)
from benchmarks.study import found, kept, queue
from benchmarks.study.setting import RESULTS
from luminet_det.detection.roi_taps import RoIs
from luminet_det.losses import KDLoss, LumiNetLoss
from tests import pairs, tiny

ROWS, COLUMNS = 24, 11


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(ROWS, COLUMNS, generator=generator, dtype=torch.float64) for _ in range(2))
    return student.requires_grad_(), 3 * teacher + 1, torch.arange(ROWS) % 4


def studied(logits, **settings):
    return StudiedLumiNetLoss(**settings)(*logits)


def test_by_default_it_is_the_librarys_loss(logits):
    losses = [loss(tau=2, loss_weight=3, eps=1e-3)(*logits) for loss in (StudiedLumiNetLoss, LumiNetLoss)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits[0])[0] for loss in losses))


def test_without_the_background_the_last_column_counts_for_nothing(logits):
    student, teacher, target = logits
    student = student.detach()
    changed = student.clone()
    changed[:, -1] = torch.randn(ROWS)
    others = [StudiedLumiNetLoss(background=False)(each, teacher, target) for each in (student, changed)]
    torch.testing.assert_close(*others)
    assert studied((student, teacher, target)) != studied((changed, teacher, target))


def test_a_column_whose_class_is_absent_counts_for_nothing(logits):
    student, teacher, target = logits
    changed = student.detach().clone()
    changed[:, 7] = torch.randn(ROWS)
    torch.testing.assert_close(
        studied(logits, absent=False), StudiedLumiNetLoss(absent=False)(changed, teacher, target)
    )
    kept = LumiNetLoss()(student[:, :4], teacher[:, :4])
    torch.testing.assert_close(studied(logits, absent=False), kept)


def test_detached_statistics_leave_the_value_and_change_the_gradient(logits):
    values = [studied(logits, detached=detached) for detached in (False, True)]
    torch.testing.assert_close(*values)
    attached, detached = (torch.autograd.grad(value, logits[0])[0] for value in values)
    assert not torch.allclose(attached, detached)


@pytest.mark.parametrize(
    ('parts', 'to_offsets', 'to_scales'),
    [('both', True, True), ('mean', True, False), ('deviation', False, True), ('scale', False, False)],
)
def test_parts_decide_whether_the_loss_is_blind_to_a_classs_offset_and_scale(logits, parts, to_offsets, to_scales):
    student, teacher, target = logits[0].detach() - logits[0].detach().mean(0), *logits[1:]
    loss = StudiedLumiNetLoss(parts=parts, eps=1e-12)
    value = loss(student, teacher, target)
    offsets, scales = torch.linspace(-3, 3, COLUMNS), torch.linspace(0.5, 2, COLUMNS)
    assert torch.isclose(loss(student + offsets, teacher, target), value) == to_offsets
    assert torch.isclose(loss(student * scales, teacher, target), value) == to_scales
    # None of them sees a factor that is the same for all logits.
    torch.testing.assert_close(loss(2 * student, teacher, target), value)


def test_with_no_part_it_is_kd_and_with_the_means_alone_kd_blind_to_offsets(logits):
    student, teacher, target = logits
    torch.testing.assert_close(studied(logits, tau=1, parts='none'), KDLoss(loss_weight=16)(student, teacher))
    centred = [each - each.mean(0) for each in (student, teacher)]
    torch.testing.assert_close(studied(logits, tau=1, parts='centre'), KDLoss(loss_weight=16)(*centred))
    offsets = torch.linspace(-3, 3, COLUMNS)
    moved = studied((student + offsets, teacher, target), parts='centre')
    torch.testing.assert_close(moved, studied(logits, parts='centre'))


def logged(name):
    return MessageHub.get_current_instance().get_scalar(f'train/{name}').current()


@pytest.mark.parametrize(
    ('gradient', 'offset', 'on_foreground', 'rows'),
    [
        ([[1.0, -1.0], [1.0, -1.0]], 1.0, 0.5, 1.0),
        ([[1.0, -1.0], [-1.0, 1.0]], 0.0, 0.5, 1.0),
        ([[2.0, -2.0], [0.0, 0.0]], 0.5, 1.0, 0.5),
    ],
)
def test_a_gradient_is_told_by_what_rows_have_in_common_and_by_where_it_is(gradient, offset, on_foreground, rows):
    log_gradient(torch.tensor([True, False]), torch.tensor(gradient))
    found = [logged(f'share_{name}') for name in ('offset', 'foreground', 'rows', 'foreground_rows')]
    assert found == pytest.approx([offset, on_foreground, rows, 0.5])


@pytest.mark.parametrize(('parts', 'moves'), [('none', True), ('scale', True), ('centre', False), ('both', False)])
def test_only_a_loss_that_sees_offsets_has_a_share_of_them(logits, parts, moves):
    studied(logits, parts=parts).backward()
    assert (logged('share_offset') > 1e-3) == moves


def test_a_window_has_the_statistics_of_all_rows_in_it(logits):
    student, teacher, target = (each.detach() for each in logits)
    loss = StudiedLumiNetLoss(tau=1, loss_weight=4, statistics='window', window=2)
    parts = [slice(0, 8), slice(8, 16), slice(16, 24)]
    for rows in parts:
        found = loss(student[rows], teacher[rows], target[rows])
    mean, variance = student[8:].mean(0), student[8:].var(0, unbiased=False)
    other, spread = teacher[8:].mean(0), teacher[8:].var(0, unbiased=False)
    own = torch.log_softmax((student[16:] - mean) / (variance + 1e-5).sqrt(), 1)
    goal = torch.log_softmax((teacher[16:] - other) / (spread + 1e-5).sqrt(), 1)
    expected = 4 * (goal.exp() * (goal - own)).sum() / 8
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_teachers_running_estimate_standardises_both(logits):
    student, teacher, target = (each.detach() for each in logits)
    loss = StudiedLumiNetLoss(statistics='teacher')
    loss(student, teacher, target)
    assert loss(teacher, teacher, target) == 0
    # Standardised by the teacher's statistics, a student of another scale differs from the teacher.
    assert loss(2 * teacher, teacher, target) > 0.01
    torch.testing.assert_close(loss.running[0], teacher.mean(0).float())


def test_near_rows_touch_a_box_of_their_own_image():
    rois = torch.tensor(
        [[0, 0, 0, 10, 10], [0, 0, 0, 10, 4], [0, 50, 50, 60, 60], [1, 0, 0, 10, 10]], dtype=torch.float
    )
    call = RoIs(rois, torch.zeros(4), [(1, 2), (0, 1)], torch.zeros(4, 3), None)
    truth = [torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[50.0, 50, 60, 60]])]
    assert near_rows(call, truth).tolist() == [0, 1]


def test_near_rows_train(tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn(base_channels=16))
    model = pairs.distilling(tiny.faster_rcnn(), teacher, dict(pairs.TERM, rois='near'))
    student = pairs.build(dict(model, type='luminet_det.StudiedDetector'))
    assert pairs.step(student)['loss_luminet'] > 0


def test_names_of_settings_tell_them_apart():
    settings = {setting for question in QUESTIONS.values() for setting in question}
    assert len({setting.name for setting in settings}) == len(settings)


def test_the_pair_is_the_quickstarts():
    stock = Config.fromfile(run.QUICKSTART / 'fgfi_luminet_student.py').model.distill
    assert kept.resolved(PAIR.distill, StudiedDetector.taps) == kept.resolved(
        [term.to_dict() for term in stock], StudiedDetector.taps
    )


def test_each_method_has_as_many_tries():
    counts = {}
    for setting in QUESTIONS['methods'][1:]:
        counts[setting.method] = counts.get(setting.method, 0) + 1
    assert counts == dict(kd=12, dkd=12, lskd=12, luminet=12)


def test_a_run_has_as_many_images_whatever_its_batch():
    images = [
        setting.recipe['train_cfg.max_iters'] * setting.batch
        for setting in QUESTIONS['batch']
        if 'train_cfg.max_iters' in setting.recipe
    ]
    assert images
    assert set(images) == {750 * 8}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('digits_study')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, 'SCENES', 6)
        patch.setattr(scenes, 'TRAIN', 12)
        scenes.prepare(folder)
        yield folder


def annotations(root, name):
    return json.loads((root / 'annotations' / f'{name}.json').read_text())


def test_the_set_that_settings_are_chosen_by_shares_no_scan_with_the_one_reported(root, monkeypatch):
    drawn = {}
    monkeypatch.setattr(scenes, 'write_scenes', lambda root, name, found, labels: drawn.update({name: labels}))
    monkeypatch.setattr(scenes, 'draw_scenes', lambda count, scans, seed: scans)
    monkeypatch.setattr(scenes, 'load_scans', lambda: (np.arange(1000), np.arange(1000)))
    monkeypatch.setattr(
        scenes, 'split_scans', lambda labels, seed: dict(train=np.arange(700), val=np.arange(700, 1000))
    )
    monkeypatch.setattr(scenes, 'joined', lambda sets: {})
    (root / 'annotations' / 'both.json').rename(root / 'kept.json')
    try:
        scenes.prepare(root)
    finally:
        (root / 'kept.json').rename(root / 'annotations' / 'both.json')
    assert sorted([*drawn['tune'], *drawn['report']]) == list(range(700, 1000))
    assert abs(len(drawn['tune']) - len(drawn['report'])) <= 1


def test_both_sets_are_in_one_file_and_their_images_exist(root):
    both = annotations(root, 'both')
    assert [image['id'] for image in both['images']] == list(range(1, 13))
    assert all((root / image['file_name']).is_file() for image in both['images'])
    assert len({box['id'] for box in both['annotations']}) == len(both['annotations'])
    assert len(both['annotations']) == sum(len(annotations(root, name)['annotations']) for name in scenes.SPLITS)


def test_the_uneven_set_has_few_of_three_classes(root):
    names = {category['id']: category['name'] for category in annotations(root, 'uneven')['categories']}
    few = [names[box['category_id']] in scenes.FEW for box in annotations(root, 'uneven')['annotations']]
    assert np.mean(few) < 0.15


def coco(boxes):
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=i, width=100, height=100) for i in (1, 2)],
        categories=[dict(id=0, name='a')],
        annotations=[
            dict(id=i, image_id=image, category_id=0, bbox=box, area=box[2] * box[3], iscrowd=0)
            for i, (image, box) in enumerate(boxes, start=1)
        ],
    )
    truth.createIndex()
    return truth


def test_scores_are_of_the_images_asked_for():
    truth = coco([(1, [0, 0, 40, 40]), (2, [0, 0, 10, 10])])
    right = [dict(image_id=1, category_id=0, bbox=[0, 0, 40, 40], score=0.9)]
    found = score(truth, right, [1])
    assert (found['AP'], found['AP_medium'], found['AP_of_class']['a']) == (1, 1, 1)
    assert score(truth, right, [2])['AP'] == 0
    assert 0 < score(truth, right, [1, 2])['AP'] < 1


def test_a_detector_without_a_detection_has_no_ap():
    found = score(coco([(1, [0, 0, 40, 40])]), [], [1])
    assert (found['AP'], found['AP_of_class'], found['D-ECE']) == (0, {'a': 0}, None)


def test_calibration_is_the_gap_between_score_and_precision():
    truth = coco([(1, [0, 0, 40, 40]), (2, [0, 0, 40, 40])])
    guesses = [
        dict(image_id=i, category_id=0, bbox=box, score=0.8) for i, box in ((1, [0, 0, 40, 40]), (2, [60, 60, 30, 30]))
    ]
    # Half of the detections with a score of 0.8 are right.
    found = score(truth, guesses, [1, 2])
    assert found['D-ECE'] == found['overconfidence'] == pytest.approx(0.3, abs=1e-4)
    modest = score(truth, [guess | dict(score=0.4) for guess in guesses], [1, 2])
    assert (modest['D-ECE'], modest['overconfidence']) == pytest.approx((0.1, -0.1), abs=1e-4)
    unsure = [guess | dict(score=0.2) for guess in guesses]
    assert score(truth, unsure, [1, 2])['D-ECE'] is None


def test_the_studied_student_is_the_quickstarts():
    config = Config.fromfile('benchmarks/roi_study/student.py')
    stock = Config.fromfile('configs/quickstart/luminet_student.py')
    changed = {key for key in config.keys() | stock.keys() if config.get(key) != stock.get(key)}
    assert changed == {'custom_imports', 'log_processor'}
    assert config.log_processor.pop('mean_pattern')
    assert config.log_processor == stock.log_processor


def test_a_search_goes_on_beyond_the_weight_that_is_best_at_an_end(monkeypatch):
    runs = {}
    monkeypatch.setattr(found, '_runs', lambda study: runs)

    def ran(ap, **term):
        setting = Setting('kd', dict(tau=1) | term)
        runs[setting.name] = {0: dict(scores=dict(tune=dict(AP=ap), report=dict(AP=ap)))}
        return setting

    for setting in first_tries('kd'):
        ran(0.3, **setting.term)
    ran(0.4, loss_weight=4)
    assert searched('kd') == (first_tries('kd'), [])
    end = ran(0.5, loss_weight=16)
    assert searched('kd')[1] == [Setting('kd', end.term | dict(loss_weight=64))]
    ran(0.6, loss_weight=64)
    ran(0.2, loss_weight=256)
    assert [of.term['loss_weight'] for of in searched('kd')[0][-2:]] == [64, 256]
    assert searched('kd')[1] == []
    least = ran(0.9, loss_weight=0.25, rois='foreground')
    assert searched('kd')[1] == [Setting('kd', least.term | dict(loss_weight=0.0625))]


def test_a_result_says_every_option_and_is_counted_for_no_other(tmp_path):
    (options,) = kept.resolved(luminet(rois='foreground').distill, StudiedDetector.taps)
    assert options['rois'] == 'foreground'
    assert options['loss'].items() >= dict(tau=1, loss_weight=4, eps=1e-5, use_sigmoid=False).items()
    path = tmp_path / 'a.json'
    assert kept.read(path, distill=[options]) is None
    path.write_text(json.dumps(dict(distill=[options], data='abc')))
    assert kept.read(path, distill=[options], data='abc')['data'] == 'abc'
    with pytest.raises(RuntimeError, match=r"a.json is from a run with data='abc', but now it would be 'def'"):
        kept.read(path, distill=[options], data='def')


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(statistics='teacher', parts='mean'), "statistics='teacher' has no parts='mean'"),
        (dict(statistics='teacher', detached=True), 'detached=True'),
        (dict(statistics='window', window=0), 'window=0'),
        (dict(eps=-1), 'eps'),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        StudiedLumiNetLoss(**settings)


def test_a_seed_that_was_chosen_by_is_not_reported_and_a_gap_needs_three(monkeypatch):
    def runs(*of_seeds):
        return {seed: dict(scores=dict(report=dict(AP=ap))) for seed, ap in enumerate(of_seeds)}

    study = {'plain': runs(0.1, 0.2, 0.2, 0.2), BASE.name: runs(0.9, 0.4, 0.4, 0.4), KD.name: runs(0.3, 0.3)}
    monkeypatch.setattr(found, '_runs', lambda name: dict(even=runs(0.6)) if name == 'teachers' else study)
    assert found.values(BASE, fresh=True) == {seed: pytest.approx(40) for seed in (1, 2, 3)}
    assert found.gap_closed(BASE, PLAIN, fresh=True) == '50%'
    assert found.gap_closed(KD, PLAIN) == '-'
    assert found.difference(BASE, PLAIN, fresh=True).startswith('+20.00 (')


def of_teachers(monkeypatch, **students):
    """Fake results of students by name: for each seed, the seed of the student's teacher (or None) and its AP."""
    teachers = {n: dict(weights=f'draw {n}', scores=dict(report=dict(AP=ap))) for n, ap in enumerate((0.6, 0.7))}
    study = {
        name: {
            seed: dict(scores=dict(report=dict(AP=ap))) | ({} if draw is None else dict(teacher=f'draw {draw}'))
            for seed, (draw, ap) in enumerate(runs)
        }
        for name, runs in students.items()
    }
    monkeypatch.setattr(found, '_runs', lambda name: dict(even=teachers) if name == 'teachers' else study)


def test_a_block_of_seeds_may_have_a_teacher_of_its_own(monkeypatch):
    students = {
        'plain': [(None, 0.3)] * 4,
        BASE.name: [(0, 0.4), (0, 0.42), (1, 0.5), (1, 0.52)],
        KD.name: [(0, 0.3), (0, 0.3), (1, 0.3), (1, 0.3)],
    }
    of_teachers(monkeypatch, **students)
    assert found.values(Teacher()) == {0: pytest.approx(60)}
    assert found.values(Teacher(seed=1)) == {1: pytest.approx(70)}
    assert found.difference(BASE, KD).startswith('+16.00 (')
    # 16 of 35 points: the mean of both teachers is 65, the student alone has 30.
    assert found.gap_closed(BASE, PLAIN) == '46%'
    of_teachers(monkeypatch, **students | {KD.name: [(0, 0.3), (1, 0.3)]})
    with pytest.raises(RuntimeError, match=f'{BASE.name}-1.json and {KD.name}-1.json are of students of different'):
        found.difference(BASE, KD)
    # A seed that is left out may have any teacher.
    of_teachers(monkeypatch, **students | {KD.name: [(1, 0.3), (0, 0.3), (1, 0.3), (1, 0.3)]})
    assert found.difference(BASE, KD, fresh=True).startswith('+18.00 (')
    assert found.teachers_of(BASE) == '65.00 ± 7.07'


def test_a_student_loads_the_weights_of_its_teachers_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(run, 'WORK', tmp_path)
    second = replace(KD, teacher_seed=1)
    written = run.write_config(second, second.build(), tmp_path / 'student')
    assert Config.fromfile(written).model.teacher.checkpoint == str(tmp_path / 'teachers' / 'even-1' / 'iter_750.pth')


def test_students_of_every_teacher_with_a_result_are_kept_and_of_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(run, 'data_fingerprint', lambda: 'abc')
    monkeypatch.setattr(run, 'result_file', lambda setting, seed: tmp_path / f'{setting.name}-{seed}.json')
    monkeypatch.setattr(run, 'WORK', tmp_path)
    for seed in (0, 1):
        path = run.weights(Teacher(seed=seed))
        path.parent.mkdir(parents=True)
        torch.save(dict(state_dict=dict(weight=torch.full((2,), float(seed)))), path)
        (tmp_path / f'even-{seed}.json').write_text(json.dumps(dict(weights=kept.weights_digest(path))))
    config = KD.build()
    result = dict(distill=run.options(config), data='abc', **run.recipe(config))
    for seed in (0, 1):
        heard = kept.weights_digest(run.weights(Teacher(seed=seed)))
        (tmp_path / f'{KD.name}-{seed}.json').write_text(json.dumps(result | dict(teacher=heard)))
    assert [run.kept(KD, seed)['teacher'] for seed in (0, 1)] == [
        kept.weights_digest(run.weights(Teacher(seed=seed))) for seed in (0, 1)
    ]
    # An unknown teacher is refused even if some teacher's result does not name its weights yet.
    (tmp_path / 'even-2.json').write_text('{}')
    for seed, unknown in ((2, 'of nobody'), (3, None)):
        (tmp_path / f'{KD.name}-{seed}.json').write_text(json.dumps(result | dict(teacher=unknown)))
        with pytest.raises(RuntimeError, match=f'{KD.name}-{seed}.json is from a student of a teacher that has no'):
            run.kept(KD, seed)


def test_a_teacher_that_trains_longer_has_another_name_and_other_weights():
    longer = Teacher(length=4)
    assert longer.build().train_cfg.max_iters == longer.build().param_scheduler[1].end == 3000
    assert run.weights(longer).parts[-2:] == ('even_length-4-0', 'iter_3000.pth')
    assert Teacher().build().to_dict() == Config.fromfile(run.QUICKSTART / 'teacher.py').to_dict()


def test_several_runs_at_a_time_are_scored_one_after_the_other(tmp_path, monkeypatch):
    # pycocotools writes into the annotations that it is given, so two runs must not be scored at once.
    inside, most = [], []

    def scores(folder):
        inside.append(folder)
        most.append(len(inside))
        time.sleep(0.05)
        inside.remove(folder)
        return {split: dict(AP=0.5) for split in ('tune', 'report')}

    fakes = dict(
        scores=scores,
        curve=lambda folder: [],
        trained_by=lambda run: dict(steps=1, seconds=1, fingerprint=''),
        data_fingerprint=lambda: 'abc',
        commit=lambda: 'def',
        result_file=lambda setting, seed: tmp_path / f'{seed}.json',
        WORK=tmp_path,
    )
    for name, fake in fakes.items():
        monkeypatch.setattr(run, name, fake)
    monkeypatch.setattr(queue, 'result_file', fakes['result_file'])
    queue.work_off([(PLAIN, seed) for seed in range(4)], run.finish, jobs=4)
    assert (len(most), max(most)) == (4, 1)


def test_every_kept_result_is_of_the_options_that_its_setting_has():
    of_name = {setting.name: setting for question in QUESTIONS.values() for setting in question}
    of_name |= {setting.name: setting for method in LOSSES for setting in searched(method)[0]}
    for path in (RESULTS / 'roi_study').glob('*.json'):
        content = json.loads(path.read_text())
        if setting := of_name.get(content['setting']):
            expected = dict(distill=kept.resolved(setting.distill, StudiedDetector.taps), **run.recipe(setting.build()))
            assert {key: content[key] for key in expected} == expected, path.name


def test_a_digest_is_of_the_weights_alone(tmp_path):
    paths = [tmp_path / f'{name}.pth' for name in ('one', 'same', 'other')]
    for path, value, noise in zip(paths, (1.0, 1.0, 2.0), ('a', 'b', 'a'), strict=True):
        torch.save(dict(state_dict=dict(weight=torch.full((3,), value)), meta=dict(noise=noise)), path)
    one, same, other = map(kept.weights_digest, paths)
    assert one == same != other
