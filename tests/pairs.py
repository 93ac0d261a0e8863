"""Student and teacher pairs for tests: thin nets with random weights, and preprocessed batches."""

from copy import deepcopy
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict

from tests import tiny

register_all_modules(init_default_scope=True)

LUMINET = dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0)
TERM = dict(tap='roi_cls', loss=LUMINET)


def mask_rcnn(num_classes: int = 3, **widths) -> dict:
    """`tiny.faster_rcnn` with a mask branch."""
    model = tiny.faster_rcnn(num_classes, **widths)
    channels = model['neck']['out_channels']
    extractor = dict(
        deepcopy(model['roi_head']['bbox_roi_extractor']),
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2),
    )
    model['type'] = 'MaskRCNN'
    model['data_preprocessor']['pad_mask'] = True
    model['roi_head'] |= dict(
        mask_roi_extractor=extractor,
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=1,
            in_channels=channels,
            conv_out_channels=8,
            num_classes=num_classes,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    )
    model['train_cfg']['rcnn']['mask_size'] = 28
    model['test_cfg']['rcnn']['mask_thr_binary'] = 0.5
    return model


def cascade_rcnn(num_classes: int = 3, **widths) -> dict:
    """`tiny.faster_rcnn` with three class-agnostic stages."""
    model = tiny.faster_rcnn(num_classes, **widths)
    roi_head, rcnn = model['roi_head'], model['train_cfg']['rcnn']
    heads, stages = [], []
    for divisor, iou in ((1, 0.5), (2, 0.6), (3, 0.7)):
        head, stage = deepcopy(roi_head['bbox_head']), deepcopy(rcnn)
        head['reg_class_agnostic'] = True
        head['bbox_coder']['target_stds'] = [s / divisor for s in (0.1, 0.1, 0.2, 0.2)]
        stage['assigner'] |= dict(pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou)
        heads.append(head)
        stages.append(stage)
    model['type'] = 'CascadeRCNN'
    roi_head |= dict(type='CascadeRoIHead', num_stages=3, stage_loss_weights=[1, 0.5, 0.25], bbox_head=heads)
    model['train_cfg']['rcnn'] = stages
    return model


def build(model: dict, seed: int = 0) -> torch.nn.Module:
    """The detector of a model config with seeded weights, in training mode."""
    torch.manual_seed(seed)
    detector = MODELS.build(ConfigDict(deepcopy(model)))
    detector.init_weights()
    return detector.train()


def save_teacher(path: Path, model: dict, seed: int = 1, classes: tuple[str, ...] | None = None) -> dict:
    """Write a randomly initialised teacher to `path`; returns its `teacher=` setting."""
    detector = build(model, seed)
    num_classes = len(classes) if classes else 3
    # Logits vary enough between classes that swapped class columns make a difference.
    for name, weight in detector.named_parameters():
        if 'fc_cls' in name:
            torch.nn.init.normal_(weight, std=0.3)
    meta = dict(dataset_meta=dict(classes=classes or tiny.classes(num_classes)))
    torch.save(dict(meta=meta, state_dict=detector.state_dict()), path)
    return dict(config=model, checkpoint=str(path))


def distilling(student: dict, teacher, distill=TERM) -> dict:
    """The model config of `student` with a teacher and terms."""
    return dict(deepcopy(student), type='luminet_det.DistillTwoStageDetector', teacher=teacher, distill=distill)


def batch(detector, seed: int = 0, num_items=(2, 1), with_mask: bool = False) -> tuple:
    """Two preprocessed images of different shapes: (inputs, samples)."""
    packed = demo_mm_inputs(
        2, [[3, 64, 48], [3, 48, 64]], num_classes=3, num_items=list(num_items), with_mask=with_mask
    )
    generator = torch.Generator().manual_seed(seed)
    packed['inputs'] = [
        torch.randint(0, 256, image.shape, generator=generator, dtype=torch.uint8) for image in packed['inputs']
    ]
    for i, sample in enumerate(packed['data_samples']):
        sample.set_metainfo(dict(img_path=f'images/{i:03d}.png'))
    data = detector.data_preprocessor(packed, True)
    return data['inputs'], data['data_samples']


def step(detector, seed: int = 0, **batch_options) -> dict:
    """Losses of one training step whose RoI sampling is seeded."""
    inputs, samples = batch(detector, seed, **batch_options)
    torch.manual_seed(seed)
    return detector.loss(inputs, samples)


def total(detector, losses: dict) -> torch.Tensor:
    """The scalar that mmengine would back-propagate."""
    return detector.parse_losses(losses)[0]
