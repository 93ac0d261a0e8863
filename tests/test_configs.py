"""Every COCO config parses, builds and takes a step; the zoo names in it exist."""

from pathlib import Path

import pytest
import torch
from mmengine import hub
from mmengine.config import Config

from luminet_det.distillation.student import Student
from tests import pairs, tiny

FOLDER = Path(__file__).parents[1] / 'configs' / 'coco'
CONFIGS = sorted(FOLDER.glob('*.py'))
TERMS = dict(plain=None, kd='KDLoss', dkd='DKDLoss', luminet='LumiNetLoss')


def narrow(model: Config) -> dict:
    """The config's detector on thin nets, without downloads."""
    model.backbone |= dict(base_channels=8, stem_channels=8, frozen_stages=-1, norm_eval=False)
    model.backbone.pop('init_cfg')
    model.neck |= dict(in_channels=[8, 16, 32, 64], out_channels=16)
    model.rpn_head |= dict(in_channels=16, feat_channels=16)
    model.roi_head.bbox_roi_extractor.out_channels = 16
    model.roi_head.bbox_head |= dict(in_channels=16, fc_out_channels=32)
    return model.to_dict()


def test_there_are_as_many_configs_as_the_readme_lists():
    readme = (FOLDER / 'README.md').read_text()
    assert len(CONFIGS) == 4
    assert all(f'({path.name})' in readme for path in CONFIGS)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_parses_builds_and_takes_a_step(path, tmp_path):
    config = Config.fromfile(path)
    loss = TERMS[path.stem.split('_')[0]]
    teacher = config.model.get('teacher')
    assert (teacher is None) == (loss is None)
    if teacher:
        assert hub.get_config(teacher, pretrained=True).model_path.startswith('https://')
        wide = tiny.faster_rcnn(80, base_channels=16)
        config.model.teacher = pairs.save_teacher(
            tmp_path / 'teacher.pth', wide, classes=tuple(f'class {i}' for i in range(80))
        )
    detector = pairs.build(narrow(config.model))
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert isinstance(detector, Student) == bool(teacher)
    if loss:
        assert losses[f'loss_{loss.removesuffix("Loss").lower()}'] > 0
        assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)


def test_the_twins_share_seed_data_and_schedule():
    configs = [Config.fromfile(path) for path in CONFIGS]
    for key in ('randomness', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert all(config[key] == configs[0][key] for config in configs), key


def test_the_schedule_is_the_papers():
    config = Config.fromfile(FOLDER / 'luminet_r18-faster-rcnn-r101_fpn_1x_coco.py')
    assert config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 8
    assert config.optim_wrapper.optimizer.lr == 0.01
    assert config.train_cfg.max_iters == 180000
    assert config.param_scheduler[1].milestones == [120000, 160000]
    assert config.model.backbone.depth == 18
    resize = config.train_dataloader.dataset.pipeline[2]
    assert sorted(side for _, side in resize.scales) == [640, 672, 704, 736, 768, 800]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_an_evaluation_is_logged_at_its_own_step(path):
    """By epoch, the hook's default, a run counted in iterations logs each of them at step 0."""
    config = Config.fromfile(path)
    assert config.train_cfg.type == 'IterBasedTrainLoop'
    logger = config.default_hooks.logger
    assert (logger.type, logger.interval, logger.log_metric_by_epoch) == ('LoggerHook', 50, False)


def test_a_config_is_found_by_its_zoo_name():
    config = hub.get_config('luminet_det::coco/luminet_r18-faster-rcnn-r101_fpn_1x_coco.py')
    assert config.model.type == 'luminet_det.DistillTwoStageDetector'
