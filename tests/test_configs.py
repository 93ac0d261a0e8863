"""COCO configs parse and build with a thin teacher of their own kind, most take a step, and the zoo names exist."""

import functools
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from mmcv.transforms import Compose
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS
from mmengine import hub
from mmengine.config import Config, ConfigDict
from mmengine.runner.checkpoint import get_external_models, get_torchvision_models

from luminet_det.distillation.student import Student
from luminet_det.published import coco
from tests import pairs

FOLDER = Path(__file__).parents[1] / 'configs' / 'coco'
CONFIGS = sorted(FOLDER.glob('*.py'))
# The terms of the methods that every row has.
TERMS = dict(
    plain=None,
    kd=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1, loss_weight=1))],
    dkd=[
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1, target_weight=1, non_target_weight=0.25),
        )
    ],
    luminet=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=1, loss_weight=4))],
)
# Methods that only the rows of Faster R-CNN have; ReviewKD's weight depends on the row.
FOUR, BOXES = [0, 1, 2, 3], dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1))
REVIEW = {'r18-faster-rcnn-r101': 1.2, 'r50-faster-rcnn-r101': 1.0, 'mobilenetv2-faster-rcnn-r50': 2.0}
ON_NECK = dict(
    fitnet=dict(type='luminet_det.FitNetLoss', regressor='conv', loss_weight=1),
    fgfi=dict(type='luminet_det.FGFILoss', loss_weight=0.01),
    fcfd=dict(type='luminet_det.FCFDDetLoss'),
    cwd=dict(type='luminet_det.CWDLoss', tau=1, loss_weight=10),
)
ON_FOUR_LEVELS = dict(
    pkd=dict(type='luminet_det.PKDLoss', loss_weight=6),
    fgd=dict(type='luminet_det.FGDLoss'),
    mgd=dict(type='luminet_det.MGDLoss', masked=0.45, loss_weight=5e-7),
)
ON_ROIS = dict(
    lskd=('all', dict(type='luminet_det.LSKDLoss', tau=2, loss_weight=1)),
    dist=('all', dict(type='luminet_det.DISTLoss', tau=1, loss_weight=2)),
    mlld=('balanced', dict(type='luminet_det.MLLDLoss', tau=1, views=1, loss_weight=1e-4)),
    mcld=('balanced', dict(type='luminet_det.MCLDLoss', center_categories=True, loss_weight=0.1)),
    dml=('all', dict(type='luminet_det.KDLoss', tau=1)),
)
METHODS = {
    **{method: [dict(tap='neck', loss=loss)] for method, loss in ON_NECK.items()},
    **{method: [dict(tap='neck', levels=FOUR, loss=loss)] for method, loss in ON_FOUR_LEVELS.items()},
    **{method: [dict(tap='roi_cls', rois=rois, loss=loss)] for method, (rois, loss) in ON_ROIS.items()},
    'boxes': [BOXES],
    'luminet_boxes': [*TERMS['luminet'], BOXES],
    'fgfi_luminet': [
        dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', standardize=True, loss_weight=2.5)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2, loss_weight=16)),
    ],
    'reviewkd': [],
    'reviewkd_dkd': TERMS['dkd'],
    'reviewkd_luminet': TERMS['luminet'],
}
KINDS = dict(faster='FasterRCNN', mask='MaskRCNN', cascade='CascadeRCNN')
ROWS = {
    'r18-faster-rcnn-r101', 'r50-faster-rcnn-r101', 'mobilenetv2-faster-rcnn-r50',
    'r18-mask-rcnn-r101', 'r50-mask-rcnn-r101', 'mobilenetv2-mask-rcnn-r50', 'r50-cascade-rcnn-x101',
}  # fmt: skip
BACKBONES = {
    'r18': ('ResNet', 18), 'r50': ('ResNet', 50), 'r101': ('ResNet', 101), 'x101': ('ResNeXt', 101),
    'mobilenetv2': ('MobileNetV2', None),
}  # fmt: skip
every_config = pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)


def narrow(model: Config) -> dict:
    """The config's detector with thin layers and no downloads, on a ResNet, ResNeXt, MobileNetV2 or timm's ResNet."""
    backbone, roi_head = model.backbone, model.roi_head
    backbone.pop('init_cfg', None)
    backbone |= dict(frozen_stages=-1, norm_eval=False)
    if backbone.type == 'MobileNetV2':
        backbone.widen_factor = 0.25
        channels = [8, 8, 24, 1280]
    elif backbone.type == 'luminet_det.TimmBackbone':
        backbone |= dict(pretrained=False, channels=(8, 16, 32, 64))
        channels = [32, 64, 128, 256]
    else:
        backbone |= dict(base_channels=8, stem_channels=8)
        channels = [(8 if backbone.depth < 50 else 32) * 2**level for level in range(4)]
    if backbone.type == 'ResNeXt':
        backbone.groups = 2
    model.neck |= dict(in_channels=channels, out_channels=16)
    model.rpn_head |= dict(in_channels=16, feat_channels=16)
    roi_head.bbox_roi_extractor.out_channels = 16
    for head in roi_head.bbox_head if isinstance(roi_head.bbox_head, list) else [roi_head.bbox_head]:
        head |= dict(in_channels=16, fc_out_channels=32)
    if 'mask_head' in roi_head:
        roi_head.mask_roi_extractor.out_channels = 16
        roi_head.mask_head |= dict(num_convs=1, in_channels=16, conv_out_channels=8)
    return model.to_dict()


@functools.cache
def _parsed(path: Path) -> Config:
    return Config.fromfile(path, format_python_code=False)


def parsed(path: Path) -> Config:
    return deepcopy(_parsed(path))


def named(path: Path) -> tuple[str, str, str, str | None]:
    """Method, student, kind of detector and, of a distilling config, teacher, as the file name says."""
    pattern = r'([a-z_]+)_([a-z0-9]+)-([a-z]+)-rcnn(?:-([a-z0-9]+))?_fpn_1x_coco'
    return re.fullmatch(pattern, path.stem).groups()


def is_like_r18s(path: Path) -> bool:
    method, student, *_ = named(path)
    return method in METHODS and student != 'r18'


def plain_twin(path: Path) -> Path:
    _, student, kind, _ = named(path)
    return FOLDER / f'plain_{student}-{kind}-rcnn_fpn_1x_coco.py'


def zoo_teacher(model: dict) -> str:
    """The zoo name of a config's teacher, or of its peer, which starts without the zoo's weights."""
    return model.teacher if isinstance(model.teacher, str) else model.teacher.config


def terms(method: str, row: str) -> list[dict]:
    """The terms of a method on a row."""
    review = dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=REVIEW.get(row)))
    return [review] * method.startswith('reviewkd') + (TERMS | METHODS)[method]


@functools.cache
def plain_shapes(path: Path) -> dict:
    """The names and shapes in the state dict of a plain config's thin detector."""
    return {
        name: value.shape for name, value in MODELS.build(ConfigDict(narrow(parsed(path).model))).state_dict().items()
    }


@functools.cache
def zoo(name: str) -> Config:
    return hub.get_config(name, pretrained=True)


@functools.cache
def zoo_aps(name: str) -> list[float]:
    """The scores of a zoo checkpoint in mmdet's metafile: box AP and, if it has masks, mask AP."""
    models = yaml.safe_load((Path(zoo(name).filename).parent / 'metafile.yml').read_text())['Models']
    (entry,) = (model for model in models if model.get('Weights') == zoo(name).model_path)
    return [ap for result in entry['Results'] for ap in result['Metrics'].values()]


@pytest.fixture(scope='module')
def thin_teacher(tmp_path_factory):
    """Returns a function: the `teacher=` setting of a zoo config, thin and with random weights, saved once per name."""
    folder = tmp_path_factory.mktemp('teachers')

    @functools.cache
    def save(name: str) -> dict:
        model = narrow(deepcopy(zoo(name).model))
        return pairs.save_teacher(folder / f'{Path(name).stem}.pth', model, classes=CocoDataset.METAINFO['classes'])

    return save


def test_every_row_is_there_with_its_twins_and_in_readme_and_metafile():
    assert len(CONFIGS) == 82
    distilled = [(method, f'{s}-{kind}-rcnn-{t}') for method, s, kind, t in map(named, CONFIGS) if t]
    wanted = [(method, row) for row in ROWS for method in TERMS if method != 'plain']
    assert sorted(distilled) == sorted([*wanted, *((method, row) for row in REVIEW for method in METHODS)])
    assert {plain_twin(path) for path in CONFIGS} == {path for path in CONFIGS if named(path)[0] == 'plain'}
    readme = (FOLDER / 'README.md').read_text()
    assert set(re.findall(r'\((\S+\.py)\)', readme)) == {path.name for path in CONFIGS}
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    entries = [(model['Name'], model['Config']) for model in models]
    assert sorted(entries) == [(path.stem, f'configs/coco/{path.name}') for path in CONFIGS]


def built(path: Path, thin_teacher):
    """A config's detector on thin nets, with a thin teacher."""
    model, method = parsed(path).model, named(path)[0]
    if method == 'dml':
        model.teacher.config = narrow(deepcopy(zoo(zoo_teacher(model)).model))
    elif method != 'plain':
        model.teacher = thin_teacher(model.teacher)
    return pairs.build(narrow(model))


# For the methods that only Faster R-CNN has, other rows differ from R18's only in networks and ReviewKD's weight.
@pytest.mark.parametrize('path', [path for path in CONFIGS if not is_like_r18s(path)], ids=lambda path: path.stem)
def test_a_config_parses_builds_and_takes_a_step(path, thin_teacher):
    detector = built(path, thin_teacher)
    method, _, kind, _ = named(path)
    losses = pairs.step(detector, with_mask=kind == 'mask')
    total = pairs.total(detector, losses)
    total.backward()
    assert total.isfinite()
    assert isinstance(detector, Student) == (method != 'plain')
    assert all(losses[f'loss_{name}'] > 0 for name in getattr(detector, 'term_names', ()))
    assert ('loss_mask' in losses) == (kind == 'mask')
    assert ('s2.loss_cls' in losses) == (kind == 'cascade')
    # DistributedDataParallel needs a gradient for every trained parameter.
    trained = {name: p.grad for name, p in detector.named_parameters() if p.requires_grad}
    assert not [name for name, gradient in trained.items() if gradient is None]
    assert all(torch.isfinite(gradient).all() for gradient in trained.values())
    assert {name: value.shape for name, value in detector.state_dict().items()} == plain_shapes(plain_twin(path))


@pytest.mark.parametrize('path', [path for path in CONFIGS if is_like_r18s(path)], ids=lambda path: path.stem)
def test_a_config_parses_and_builds(path, thin_teacher):
    detector = built(path, thin_teacher)
    assert isinstance(detector, Student)
    assert {name: value.shape for name, value in detector.state_dict().items()} == plain_shapes(plain_twin(path))


@every_config
def test_student_and_teacher_are_what_the_file_name_says(path):
    model = parsed(path).model
    method, student, kind, teacher = named(path)
    assert (model.backbone.type, model.backbone.get('depth')) == BACKBONES[student]
    assert parsed(plain_twin(path)).model.type == KINDS[kind]
    if method == 'plain':
        assert not {'teacher', 'distill'} & model.keys()
        return
    assert model.type == 'luminet_det.DistillTwoStageDetector'
    assert model.distill == terms(method, f'{student}-{kind}-rcnn-{teacher}')
    assert (method == 'dml') == (not isinstance(model.teacher, str) and model.teacher.trainable)
    config = zoo(zoo_teacher(model))
    assert config.model_path.startswith('https://')
    assert config.model.type == KINDS[kind]
    assert (config.model.backbone.type, config.model.backbone.depth) == BACKBONES[teacher]


@pytest.mark.parametrize('path', sorted({plain_twin(path) for path in CONFIGS}), ids=lambda path: path.stem)
def test_the_neck_takes_what_the_backbone_gives_at_full_width(path):
    model = parsed(path).model
    with torch.device('meta'):
        levels = MODELS.build(model.backbone)(torch.empty(1, 3, 64, 64))
    assert [level.shape[1] for level in levels] == model.neck.in_channels
    assert [64 // level.shape[2] for level in levels] == model.roi_head.bbox_roi_extractor.featmap_strides


@every_config
def test_the_pretrained_weights_of_the_student_are_in_mmengines_tables(path):
    source, name = parsed(path).model.backbone.init_cfg.checkpoint.split('://')
    assert name in {'torchvision': get_torchvision_models, 'open-mmlab': get_external_models}[source]()


def test_torchvisions_mobilenet_would_not_fit():
    """This is why the MobileNetV2 students take weights that were converted for mmdet."""
    backbone = MODELS.build(parsed(FOLDER / 'plain_mobilenetv2-faster-rcnn_fpn_1x_coco.py').model.backbone)
    assert not backbone.state_dict().keys() & torchvision.models.mobilenet_v2().state_dict().keys()


@pytest.mark.parametrize('row', sorted(ROWS))
def test_the_twins_of_a_row_differ_in_nothing_but_the_distillation(row):
    student, kind = row.split('-')[:2]
    twins = [path for path in CONFIGS if named(path)[1:3] == (student, kind)]
    plain, *others = sorted((parsed(path) for path in twins), key=lambda config: 'teacher' in config['model'])
    assert len(others) == len(TERMS) - 1 + (len(METHODS) if row in REVIEW else 0)
    assert plain['randomness'] == dict(seed=0)
    assert len({zoo_teacher(config.model) for config in others}) == 1
    plain, *others = (config.to_dict() for config in (plain, *others))
    for config in others:
        assert {name for name in config if config[name] != plain.get(name)} == {'model'}
        model = config['model']
        assert {name for name in model if model[name] != plain['model'].get(name)} == {'type', 'teacher', 'distill'}


def test_rows_share_schedule_and_seed():
    configs = list(map(parsed, CONFIGS))
    for key in ('randomness', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr', 'default_hooks'):
        assert all(config[key] == configs[0][key] for config in configs), key


def test_the_schedule_is_the_papers():
    for config in map(parsed, CONFIGS):
        assert config.train_dataloader.batch_size == config.auto_scale_lr.base_batch_size == 8
        assert config.optim_wrapper.optimizer.lr == 0.01
        assert config.train_cfg.max_iters == 180000
        assert config.param_scheduler[1].milestones == [120000, 160000]
        resize = config.train_dataloader.dataset.pipeline[2]
        assert sorted(side for _, side in resize.scales) == [640, 672, 704, 736, 768, 800]


@every_config
def test_masks_are_loaded_and_evaluated_where_the_detector_has_them(path):
    config, masks = parsed(path), named(path)[2] == 'mask'
    pipeline = config.train_dataloader.dataset.pipeline
    ring = dict(bbox=[8, 8, 40, 40], bbox_label=0, ignore_flag=0, mask=[[8, 8, 40, 8, 40, 40, 8, 40]])
    blank = dict(img=np.zeros((48, 64, 3), np.uint8), img_shape=(48, 64), ori_shape=(48, 64), height=48, width=64)
    sample = Compose(pipeline[1:])(dict(blank, img_id=0, img_path='', instances=[ring]))['data_samples']
    assert ('masks' in sample.gt_instances) == masks
    if masks:
        assert sample.gt_instances.masks.masks.shape == (1, *sample.img_shape)
    metrics = config.val_evaluator.metric
    assert (metrics if isinstance(metrics, list) else [metrics]) == (['bbox', 'segm'] if masks else ['bbox'])


@every_config
def test_the_zoo_ap_that_is_told_of_a_teacher_is_the_zoos(path):
    teacher = parsed(path).model.get('teacher')
    # The other configs inherit their teacher from one of these, or have a peer.
    if isinstance(teacher, str) and teacher in path.read_text():
        told = [float(ap) for ap in re.findall(r'(\d\d\.\d) (?:\w+ )?AP\b', path.read_text())]
        assert told[: len(zoo_aps(teacher))] == zoo_aps(teacher)
        readme = (FOLDER / 'README.md').read_text().splitlines()
        lines = [line for line in readme if f'`{teacher}`' in line]
        score = ' / '.join(str(ap) for ap in zoo_aps(teacher))
        assert lines
        assert all(f"({score} in mmdet's zoo)" in line for line in lines)


@pytest.mark.parametrize('pair', coco.PAIRS, ids=str)
def test_the_readme_shows_the_published_ap_of_a_pair_with_its_mark_and_no_other(pair):
    faster_rcnn = (FOLDER / 'README.md').read_text().partition('## Mask R-CNN\n')[0]
    (section,) = re.findall(rf'### {pair.student} ← {pair.teacher}\n(.*?)(?=\n### |\Z)', faster_rcnn, re.DOTALL)
    head, _, *lines = (line.strip('|').split('|') for line in section.splitlines() if line.startswith('|'))
    assert head[1].strip() == 'published AP (detectron2)'
    shown = {}
    for config, ap, _ in lines:
        link = re.search(r'\((\S+\.py)\)', config)
        method = named(Path(link[1]))[0] if link else 'teacher'
        shown['student' if method == 'plain' else method] = ap.strip()
    figures = {row.key: row.figures[coco.PAIRS.index(pair)] for row in coco.AP}
    published = {method: str(figure) for method, figure in figures.items() if figure.value is not None}
    # TAKD's chain is in another README.
    published.pop('takd', None)
    assert {method: ap for method, ap in shown.items() if ap} == published


def test_an_evaluation_is_logged_at_its_own_step():
    """With `log_metric_by_epoch=True`, the hook's default, an iteration-based run logs all evaluations at step 0."""
    for config in map(parsed, CONFIGS):
        assert config.train_cfg.type == 'IterBasedTrainLoop'
        logger = config.default_hooks.logger
        assert (logger.type, logger.interval, logger.log_metric_by_epoch) == ('LoggerHook', 50, False)


def test_a_config_is_found_by_its_zoo_name():
    config = hub.get_config('luminet_det::coco/luminet_r18-faster-rcnn-r101_fpn_1x_coco.py')
    assert config.model.type == 'luminet_det.DistillTwoStageDetector'
