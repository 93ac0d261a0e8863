from pathlib import Path

import pytest
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.roi_study.settings import LOSSES, searched
from benchmarks.study.found import best_of
from benchmarks.study.kept import resolved
from luminet_det.detection.two_stage import DistillTwoStageDetector

CONFIGS = Path(__file__).parents[2] / 'configs' / 'quickstart'
NAMES = sorted(path.stem for path in CONFIGS.glob('*.py'))


def build(name):
    register_all_modules()
    return MODELS.build(Config.fromfile(CONFIGS / f'{name}.py').model)


def pipelines(config):
    return [config[f'{split}_dataloader'].dataset.pipeline for split in ('train', 'val', 'test')]


def test_teacher_student_assistant_and_twenty_two_ways_to_distil_are_there():
    assert {'kd_student', 'luminet_student', 'student', 'teacher'} < set(NAMES)
    assert len(NAMES) == 25


@pytest.mark.parametrize('name', NAMES)
def test_a_config_builds_and_downloads_nothing(name):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    assert 'Pretrained' not in config.pretty_text
    assert build(name).roi_head.bbox_head.num_classes == len(config.classes) == 10


@pytest.mark.parametrize('name', NAMES)
def test_no_digit_is_mirrored(name):
    steps = [step.type for pipeline in pipelines(Config.fromfile(CONFIGS / f'{name}.py')) for step in pipeline]
    assert len(steps) >= 9
    assert not any('Flip' in step for step in steps)


@pytest.mark.parametrize('name', NAMES)
def test_the_schedule_ends_where_the_training_ends(name):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    steps = config.train_cfg.max_iters
    assert config.train_cfg.val_interval == config.param_scheduler[1].end == steps
    assert steps % config.default_hooks.logger.interval == 0


def test_both_students_share_data_schedule_and_detector():
    plain, distilled = (Config.fromfile(CONFIGS / f'{name}.py') for name in ('student', 'luminet_student'))
    for key in plain:
        if key != 'model':
            assert plain[key] == distilled[key], key
    added = {key: value for key, value in distilled.model.items() if plain.model.get(key) != value}
    assert sorted(added) == ['distill', 'teacher', 'type']
    assert build('luminet_student').state_dict().keys() == build('student').state_dict().keys()


def test_the_teacher_of_the_config_is_what_the_teacher_run_leaves():
    teacher = Config.fromfile(CONFIGS / 'luminet_student.py').model.teacher
    assert Path(teacher.config).samefile(CONFIGS / 'teacher.py')
    steps = Config.fromfile(CONFIGS / 'teacher.py').train_cfg.max_iters
    assert teacher.checkpoint == f'work_dirs/quickstart/teacher/iter_{steps}.pth'


@pytest.mark.parametrize(
    'name', ['kd', 'dkd', 'lskd', 'luminet', 'reviewkd_dkd', 'reviewkd_luminet', 'fgfi_luminet', 'luminet_boxes']
)
def test_methods_on_the_logits_have_what_the_study_found_best(name):
    method = next(part for part in reversed(name.split('_')) if part in LOSSES)
    best, taps = best_of(searched(method)[0]), DistillTwoStageDetector.taps
    terms = resolved(Config.fromfile(CONFIGS / f'{name}_student.py').model.distill, taps)
    assert resolved(best.distill, taps)[0] in terms


def test_fgfi_beside_luminet_has_what_the_shootout_found_best_for_it_alone():
    best, taps = DETECTORS.best('fgfi'), DistillTwoStageDetector.taps
    terms = resolved(Config.fromfile(CONFIGS / 'fgfi_luminet_student.py').model.distill, taps)
    assert resolved(best.build().model.distill, taps)[0] in terms


def test_the_defaults_of_luminet_are_what_the_study_found_best():
    best, taps = best_of(searched('luminet')[0]), DistillTwoStageDetector.taps
    by_default = [dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))]
    assert resolved(best.distill, taps) == resolved(by_default, taps)
