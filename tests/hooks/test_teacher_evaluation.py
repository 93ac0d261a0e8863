"""TeacherEvaluationHook: the teacher's score is logged before the first step, and the gap after each validation."""

import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader, Dataset

from luminet_det.hooks.teacher_evaluation import TeacherEvaluationHook, _Classes
from tests import pairs, ranks, runs, tiny
from tools import test, train

AP = 'coco/bbox_mAP'
WIDE = tiny.faster_rcnn(base_channels=16)


def logged_ap(folder, data, model):
    config = runs.tiny_config(folder / 'c.py', data, model, max_iters=1)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
    finished = runs.run(train.main, [runs.config_file(config, cfg), '--work-dir', folder / 'work'], folder)
    assert finished.code == 0, finished.text
    before_training = finished.text.partition('Iter(train)')[0]
    found = re.findall(r'Teacher .* on the validation set: coco/bbox_mAP ([\d.]+)', before_training)
    return [float(ap) for ap in found], finished.text


@pytest.fixture(scope='module')
def trained_teacher(data, tmp_path_factory):
    """Setting of a teacher trained enough to detect something, and its AP."""
    folder = tmp_path_factory.mktemp('teacher')
    config = runs.tiny_config(folder / 'teacher.py', data, WIDE, max_iters=80)
    runs.run(train.main, [config, '--work-dir', folder], folder)
    return dict(config=WIDE, checkpoint=str(folder / 'iter_80.pth')), next(iter(runs.scalars(folder, AP).values()))


def test_it_is_what_the_teacher_scores_alone_whatever_the_order_of_its_classes(tmp_path, data, trained_teacher):
    weights = trained_teacher[0]['checkpoint']
    config = runs.tiny_config(tmp_path / 'teacher.py', data, WIDE)
    tested = runs.run(test.main, [config, weights, '--work-dir', tmp_path / 'test'], tmp_path)
    alone = float(re.findall(r'coco/bbox_mAP: ([\d.]+)', tested.text)[-1])

    saved = torch.load(weights)
    state, order, head = saved['state_dict'], [2, 0, 1], 'roi_head.bbox_head.'
    for kind in ('weight', 'bias'):
        state[f'{head}fc_cls.{kind}'] = state[f'{head}fc_cls.{kind}'][[*order, 3]]
        state[f'{head}fc_reg.{kind}'] = state[f'{head}fc_reg.{kind}'].unflatten(0, (3, 4))[order].flatten(0, 1)
    saved['meta']['dataset_meta']['classes'] = tuple(tiny.classes()[i] for i in order)
    torch.save(dict(meta=saved['meta'], state_dict=state), tmp_path / 'permuted.pth')

    teachers = [dict(config=WIDE, checkpoint=str(path)) for path in (weights, tmp_path / 'permuted.pth')]
    found, _ = logged_ap(tmp_path / 'run', data, pairs.distilling(tiny.faster_rcnn(), teachers))
    assert alone > 0
    assert found == [alone, alone]


def test_without_a_teacher_it_says_so(tmp_path, data):
    found, text = logged_ap(tmp_path, data, tiny.faster_rcnn())
    assert found == []
    assert 'no teacher to evaluate' in text


def test_a_teacher_in_half_precision_is_evaluated_too(tmp_path, data, teacher):
    found, _ = logged_ap(tmp_path, data, pairs.distilling(tiny.faster_rcnn(), dict(teacher, dtype='bf16')))
    assert len(found) == 1


def test_without_a_validation_set_it_says_so(tmp_path, data, teacher):
    config = runs.tiny_config(tmp_path / 'c.py', data, pairs.distilling(tiny.faster_rcnn(), teacher), val=False)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
    finished = runs.run(train.main, [runs.config_file(config, cfg), '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    assert 'no val_dataloader' in finished.text


def hooked(folder, data, teacher, tap='roi_cls', **settings):
    """Write the config of a run that evaluates its teacher; returns its path."""
    loss = pairs.LUMINET if tap == 'roi_cls' else dict(type='mmdet.L1Loss')
    model = pairs.distilling(tiny.faster_rcnn(), teacher, dict(tap=tap, loss=loss))
    config = runs.tiny_config(folder / 'c.py', data, model, **settings)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
    cfg.default_hooks.logger.log_metric_by_epoch = False
    return runs.config_file(config, cfg)


def trained(folder, config, *flags, **environ):
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work', *flags], folder, **environ)
    assert finished.code == 0, finished.text
    return finished.text


def test_after_each_validation_student_teacher_and_gap_are_logged(tmp_path, data, trained_teacher):
    setting, ap = trained_teacher
    config = hooked(tmp_path, data, setting, max_iters=4, **{'train_cfg.val_interval': 2})
    lines = re.findall(
        rf'student {AP} ([\d.]+), teacher ([\d.]+), gap ([\d.]+) \((\d+)% of the teacher\)', trained(tmp_path, config)
    )
    students = runs.scalars(tmp_path / 'work', AP)
    assert list(students) == [2, 4]
    assert runs.scalars(tmp_path / 'work', f'teacher/{AP}') == {2: ap, 4: ap}
    gaps = runs.scalars(tmp_path / 'work', f'gap/{AP}')
    for (step, student), line in zip(students.items(), lines, strict=True):
        assert gaps[step] == pytest.approx(ap - student)
        assert line == (f'{student:.3f}', f'{ap:.3f}', f'{ap - student:.3f}', f'{student / ap * 100:.0f}')


def test_the_student_and_its_best_checkpoint_are_what_they_are_without_the_hook(tmp_path, data, trained_teacher):
    config = hooked(tmp_path, data, trained_teacher[0], max_iters=2)
    cfg = Config.fromfile(config)
    cfg.default_hooks.checkpoint |= dict(save_best='auto')
    trained(tmp_path / 'with', runs.config_file(config, cfg))
    cfg.pop('custom_hooks')
    trained(tmp_path / 'without', runs.config_file(config, cfg))
    found = [torch.load(*(tmp_path / which / 'work').glob('best_*')) for which in ('with', 'without')]
    assert [checkpoint['meta']['iter'] for checkpoint in found] == [2, 2]
    for name, weight in found[0]['state_dict'].items():
        assert torch.equal(weight, found[1]['state_dict'][name]), name
    assert len(set(map(str, (runs.scalars(tmp_path / w / 'work', AP) for w in ('with', 'without'))))) == 1


def test_a_resumed_run_takes_the_score_from_its_checkpoint(tmp_path, data, trained_teacher):
    setting, ap = trained_teacher
    config = hooked(tmp_path, data, setting, max_iters=2)
    assert 'from the checkpoint' not in trained(tmp_path, config)
    longer = ('--cfg-options', 'train_cfg.max_iters=3', 'train_cfg.val_interval=3')
    text = trained(tmp_path, config, '--resume', *longer)
    assert f'on the validation set, from the checkpoint: {AP} {ap:.3f}' in text
    assert text.count('Evaluating bbox') == 1
    assert runs.scalars(tmp_path / 'work', f'teacher/{AP}') == {2: ap, 3: ap}
    # The checkpoint has no score of another teacher.
    other = Config.fromfile(config)
    other.model.teacher.checkpoint = str(tmp_path / 'other.pth')
    torch.save(torch.load(setting['checkpoint']), other.model.teacher.checkpoint)
    text = trained(tmp_path, runs.config_file(config, other), '--resume', *longer)
    assert 'from the checkpoint' not in text


def test_of_several_teachers_the_best_is_the_measure(tmp_path, data, teacher, trained_teacher):
    setting, ap = trained_teacher
    text = trained(tmp_path, hooked(tmp_path, data, [teacher, setting], max_iters=1))
    assert f', teacher 2 {ap:.3f}, gap ' in text


def test_detections_are_counted_as_the_student_counts_its_classes():
    classes = _Classes(('cat', 'dog', 'cow'), ('dog', 'cat'))
    assert classes.of_student(InstanceData(labels=torch.tensor([0, 2, 1]))).labels.tolist() == [1, 0]
    assert _Classes(None, ('dog', 'cat')).of_student(InstanceData(labels=torch.tensor([1]))).labels.tolist() == [1]


class OneImage(Dataset):
    metainfo = {}

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return i


class Silent(torch.nn.Module):
    def val_step(self, batch):
        return []


def test_to_evaluate_a_teacher_moves_no_random_number_of_the_students():
    evaluator = SimpleNamespace(process=lambda **_: None, evaluate=lambda size: {'score': size}, metrics=[])
    loop = SimpleNamespace(dataloader=DataLoader(OneImage()), evaluator=evaluator)
    teacher = SimpleNamespace(model=Silent(), classes=None, name='it', follow=lambda student: None)
    before = torch.get_rng_state()
    assert TeacherEvaluationHook._evaluate(SimpleNamespace(val_loop=loop), None, teacher) == {'score': 1.0}
    assert torch.equal(torch.get_rng_state(), before)


def test_a_teacher_of_other_classes_is_left_out_with_a_warning(tmp_path, data, trained_teacher):
    text = trained(
        tmp_path, hooked(tmp_path, data, trained_teacher[0] | dict(classes=['a', 'b', 'c']), 'neck', max_iters=1)
    )
    assert 'is not evaluated: it does not know thing0, thing1, thing2' in text
    assert 'gap' not in text


def test_two_processes_agree_with_one(tmp_path, data, trained_teacher):
    setting, ap = trained_teacher
    config = hooked(tmp_path, data, setting, max_iters=1)
    argv = [config, '--work-dir', tmp_path / 'work', '--launcher', 'pytorch']
    first, second = ranks.run(train.main, argv, tmp_path)
    assert (first.code, second.code) == (0, 0), first.text + second.text
    assert f'on the validation set: {AP} {ap:.3f}' in first.text
    assert f'teacher {ap:.3f}, gap ' in first.text
    assert 'on the validation set' not in second.text
    assert runs.scalars(tmp_path / 'work', f'teacher/{AP}') == {1: ap}


def test_a_teacher_of_boxes_is_left_out_with_a_warning_where_masks_are_measured(tmp_path, data, trained_teacher):
    path = hooked(tmp_path, data, trained_teacher[0], 'neck', max_iters=1)
    cfg = Config.fromfile(path)
    cfg.val_evaluator.metric = ['bbox', 'segm']
    cfg.train_cfg.val_begin = 100  # The student predicts no masks either, so it is not validated.
    argv = [runs.config_file(path, cfg), '--work-dir', tmp_path / 'work', '--launcher', 'pytorch']
    first, second = ranks.run(train.main, argv, tmp_path)
    assert (first.code, second.code) == (0, 0), first.text + second.text
    assert 'is not evaluated: val_evaluator needs what the teacher does not predict' in first.text


def test_an_untrained_teacher_is_warned_of(tmp_path, data):
    untrained = pairs.save_teacher(tmp_path / 'untrained.pth', WIDE)
    _, text = logged_ap(tmp_path, data, pairs.distilling(tiny.faster_rcnn(), untrained))
    assert 'a student has nothing to learn from it' in text


@pytest.mark.parametrize(
    ('scores', 'warns'),
    [
        ({AP: 0.049}, True),
        ({AP: 0.05}, False),
        ({'accuracy/top1': 36.6}, True),  # chance is 33.3, and 5% of the way from there to 100 is 36.7
        ({'accuracy/top1': 36.7}, False),
    ],
)
def test_one_below_an_ap_of_5_or_close_to_chance_is_warned_of(scores, warns):
    warnings = []
    dataset = SimpleNamespace(metainfo=dict(classes=tiny.classes()))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(val_loop=loop, logger=SimpleNamespace(warning=warnings.append))
    TeacherEvaluationHook._doubt(runner, 'it', scores)
    assert len(warnings) == warns


def test_a_minimum_that_names_no_metric_is_refused():
    with pytest.raises(ValueError, match='minimum maps each metric to the score that a teacher must reach'):
        TeacherEvaluationHook(minimum=50)
