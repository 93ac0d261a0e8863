"""The configs for small photographs: one detector, two backbones, one recipe, and the terms that each name promises."""

import functools
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmengine.config import Config

from benchmarks.roi_study.settings import searched
from benchmarks.study.found import best_of
from benchmarks.study.kept import resolved
from luminet_det.detection.two_stage import DistillTwoStageDetector
from tests import pairs

FOLDER = Path(__file__).parents[1] / 'configs' / 'voc07_small'
CONFIGS = sorted(FOLDER.glob('*.py'))
REVIEW = dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.2))
LUMINET = dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2, loss_weight=16))
STANDARDIZED = dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', standardize=True, loss_weight=2.5))
DKD = dict(type='luminet_det.DKDLoss', tau=2, target_weight=1, non_target_weight=0.25)
TERMS = dict(
    kd=[dict(tap='roi_cls', rois='foreground', loss=dict(type='luminet_det.KDLoss', tau=1, loss_weight=1))],
    kd_all_rois=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1, loss_weight=4))],
    dkd=[dict(tap='roi_cls', rois='foreground', loss=DKD)],
    luminet=[LUMINET],
    reviewkd=[REVIEW],
    reviewkd_luminet=[REVIEW, LUMINET],
    fgfi_luminet=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.04)), LUMINET],
    fgfi_standardized=[STANDARDIZED],
    fgfi_standardized_luminet=[STANDARDIZED, LUMINET],
)
CLASSES = [
    'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
    'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor',
]  # fmt: skip


def method_of(path: Path) -> str:
    return re.fullmatch(r'([a-z_]+)_r\d+-faster-rcnn(-r50)?_fpn_gn_72e_voc07_small', path.stem).group(1)


BY_METHOD = {method_of(path): path for path in CONFIGS}
every_student = pytest.mark.parametrize('method', [method for method in BY_METHOD if method != 'teacher'])
every_method = pytest.mark.parametrize('method', BY_METHOD)


@functools.cache
def _parsed(method: str) -> Config:
    return Config.fromfile(BY_METHOD[method], format_python_code=False)


def parsed(method: str) -> Config:
    return deepcopy(_parsed(method))


def narrow(model: Config) -> dict:
    """The config's detector with narrow layers, and a number of groups that divides their widths."""
    deep = model.backbone.depth == 50
    model.backbone |= dict(base_channels=8, stem_channels=8)
    model.neck |= dict(in_channels=[(32 if deep else 8) * 2**level for level in range(4)], out_channels=16)
    model.rpn_head |= dict(in_channels=16, feat_channels=16)
    model.roi_head.bbox_roi_extractor.out_channels = 16
    model.roi_head.bbox_head |= dict(in_channels=16, conv_out_channels=16, fc_out_channels=32)
    for part in (model.backbone, model.neck, model.roi_head.bbox_head):
        part.norm_cfg.num_groups = 8
    return model.to_dict()


def stock(model: Config) -> dict:
    """A config's detector without teacher and terms, as mmdet's own class."""
    return {name: value for name, value in model.items() if name not in ('teacher', 'distill')} | dict(
        type='FasterRCNN'
    )


def test_readme_and_page_list_every_config():
    assert set(BY_METHOD) == {'teacher', 'plain', *TERMS}
    readme = (FOLDER / 'README.md').read_text()
    assert set(re.findall(r'\((\w\S+\.py)\)', readme)) == {path.name for path in CONFIGS}
    page = (FOLDER.parents[1] / 'docs' / 'natural_images.md').read_text()
    assert '../configs/voc07_small/README.md' in page
    for name in re.findall(r'configs/voc07_small/(\S+\.py)', readme):
        assert (FOLDER / name).is_file()


@every_method
def test_a_row_distils_what_it_is_named_after(method):
    model = parsed(method).model
    assert model.get('distill') == TERMS.get(method)
    assert model.type == ('luminet_det.DistillTwoStageDetector' if method in TERMS else 'FasterRCNN')


@pytest.mark.parametrize('method', ['kd', 'dkd', 'luminet'])
def test_the_settings_on_logits_are_those_that_the_study_found_best(method):
    best, taps = best_of(searched(method)[0]), DistillTwoStageDetector.taps
    assert resolved(parsed(method).model.distill, taps) == resolved(best.distill, taps)


def test_kd_on_all_rois_is_the_best_of_its_tries_on_all():
    best = best_of([setting for setting in searched('kd')[0] if setting.term.get('rois', 'all') == 'all'])
    terms, taps = parsed('kd_all_rois').model.distill, DistillTwoStageDetector.taps
    assert resolved(terms, taps) == resolved(best.distill, taps)


@every_student
def test_a_student_is_the_teachers_detector_on_a_smaller_backbone(method):
    teacher, student = parsed('teacher').model, stock(parsed(method).model)
    assert {name for name in student if student[name] != teacher[name]} == {'backbone', 'neck'}
    assert {key for key, value in student['backbone'].items() if value != teacher.backbone[key]} == {'depth'}
    assert {key for key, value in student['neck'].items() if value != teacher.neck[key]} == {'in_channels'}


@every_student
def test_a_student_has_the_teachers_recipe(method):
    teacher, student = (parsed(name).to_dict() for name in ('teacher', method))
    assert {name for name in student if student[name] != teacher[name]} <= {'model', 'custom_hooks'}
    assert student['custom_hooks'][0] == teacher['custom_hooks'][0]
    assert len(student['custom_hooks']) == 1 + (method in TERMS)


@pytest.mark.parametrize('method', TERMS)
def test_the_teacher_is_the_one_that_its_config_leaves(method):
    teacher = parsed(method).model.teacher
    assert FOLDER.parents[1] / teacher.config == BY_METHOD['teacher']
    last = parsed('teacher').train_cfg.max_epochs
    assert teacher.checkpoint == f'work_dirs/{BY_METHOD["teacher"].stem}/epoch_{last}.pth'


@pytest.mark.parametrize(('method', 'millions'), [('teacher', 42.8), ('plain', 29.7)])
def test_it_has_the_stock_widths_and_trains_from_scratch_with_group_norm(method, millions):
    model = parsed(method).model
    with torch.device('meta'):
        detector = MODELS.build(model)
        levels = detector.backbone(torch.empty(1, 3, 64, 64))
    assert [level.shape[1] for level in levels] == model.neck.in_channels
    assert all(parameter.requires_grad for parameter in detector.parameters())
    kinds = {type(module) for module in detector.modules()}
    assert torch.nn.GroupNorm in kinds
    assert not [kind for kind in kinds if issubclass(kind, torch.nn.modules.batchnorm._BatchNorm)]
    assert model.backbone.init_cfg is None
    assert sum(p.numel() for p in detector.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert f'{millions} million' in (FOLDER / 'README.md').read_text()


def test_warm_up_and_cosine_end_with_the_training():
    config = parsed('teacher')
    warm_up, cosine = config.param_scheduler
    epochs = config.train_cfg.max_epochs
    assert cosine.T_max == epochs == 72
    assert cosine.convert_to_iter_based
    assert warm_up.end < epochs * (3952 // config.train_dataloader.batch_size)
    assert epochs % config.train_cfg.val_interval == 0
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size


def test_classes_and_files_are_the_data_sets():
    config = parsed('teacher')
    for loader, file in ((config.train_dataloader, 'train.json'), (config.val_dataloader, 'val.json')):
        assert list(loader.dataset.metainfo.classes) == CLASSES
        assert (loader.dataset.data_root, loader.dataset.ann_file) == ('data/voc07_small/', file)
    assert config.val_evaluator.ann_file == 'data/voc07_small/val.json'
    assert parsed('plain').model.roi_head.bbox_head.num_classes == len(CLASSES)


def test_a_jittered_image_fits_256_px_and_keeps_boxes_that_can_be_seen():
    transforms = Compose(parsed('teacher').train_dataloader.dataset.pipeline[1:])
    boxes = [dict(bbox=[x, x, x + 40, x + 60], bbox_label=3, ignore_flag=0) for x in (10, 120)]
    blank = dict(img=np.zeros((192, 256, 3), np.uint8), img_shape=(192, 256), ori_shape=(192, 256), img_id=0)
    np.random.seed(0)
    widths = set()
    for _ in range(20):
        found = transforms(deepcopy(dict(blank, img_path='', height=192, width=256, instances=boxes)))
        if found is None:  # no object is left in it; mmdet then takes another image
            continue
        kept = found['data_samples'].gt_instances.bboxes.tensor
        assert max(found['inputs'].shape[1:]) <= 256
        assert (kept[:, 2:] - kept[:, :2]).min() >= 4
        widths.add(found['inputs'].shape[2])
    assert len(widths) > 3


@pytest.fixture(scope='module')
def thin_teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    return pairs.save_teacher(path, narrow(parsed('teacher').model), classes=tuple(CLASSES))


@every_method
def test_a_config_takes_a_step_on_thin_nets(method, thin_teacher):
    model = parsed(method).model
    if method in TERMS:
        model.teacher = thin_teacher
    detector = pairs.build(narrow(model))
    losses = pairs.step(detector)
    total = pairs.total(detector, losses)
    total.backward()
    assert total.isfinite()
    of_terms = ('loss_kd', 'loss_dkd', 'loss_lumi', 'loss_review', 'loss_fgfi')
    assert len([name for name in losses if name.startswith(of_terms)]) == len(TERMS.get(method, ()))
    trained = {name: p.grad for name, p in detector.named_parameters() if p.requires_grad}
    assert not [name for name, gradient in trained.items() if gradient is None]
    assert all(torch.isfinite(gradient).all() for gradient in trained.values())
