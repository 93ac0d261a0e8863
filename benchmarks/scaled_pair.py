"""The paper's pair of detectors on random images, of any width and with any number of classes."""

import copy
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from torch import nn

import luminet_det  # noqa: F401  (before mmdet)

COCO = Path(__file__).parents[1] / 'configs' / '_base_' / 'faster-rcnn_r18_fpn.py'


class ScaledPair:
    """A ResNet-18 student and a ResNet-101 teacher with random weights, on random images.

    Args:
        images: Images per step.
        rois: RoIs sampled per image.
        classes: Classes of both heads; boxes are class-agnostic, as is usual for large vocabularies.
        size: Height and width of the images in pixels.
        width: Factor on the channels of both networks.
    """

    def __init__(self, images: int, rois: int, classes: int, size: int = 256, width: float = 0.25) -> None:
        from mmdet.registry import MODELS
        from mmdet.testing import demo_mm_inputs

        student, teacher = _model(18, width, rois, classes), _model(101, width, rois, classes)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = f'{folder}/teacher.pth'
            torch.save(MODELS.build(copy.deepcopy(teacher)).state_dict(), checkpoint)
            setting = student | dict(
                type='luminet_det.DistillTwoStageDetector',
                teacher=dict(config=teacher, checkpoint=checkpoint),
                distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))],
            )
            torch.manual_seed(0)
            self.plain, self.distilling = MODELS.build(copy.deepcopy(student)).train(), MODELS.build(setting).train()
            self.distilling.load_state_dict(self.plain.state_dict())
            packed = demo_mm_inputs(images, [[3, size, size]] * images, num_items=[4] * images, num_classes=classes)
            self.data = self.plain.data_preprocessor(packed, True)
            self.step(self.distilling)  # builds the teacher while its file exists
        self.rows = images * rois

    def step(self, detector: nn.Module) -> None:
        """Forward and backward; the optimizer's step is the same with and without a teacher."""
        torch.manual_seed(0)
        losses = detector.loss(self.data['inputs'], copy.deepcopy(self.data['data_samples']))
        detector.parse_losses(losses)[0].backward()
        detector.zero_grad()


def _model(depth: int, width: float, rois: int, classes: int) -> ConfigDict:
    model = Config.fromfile(COCO).model
    base, neck = int(64 * width), int(256 * width)
    expansion = 1 if depth == 18 else 4
    model.backbone.update(depth=depth, base_channels=base, stem_channels=base, init_cfg=None)
    model.neck.update(in_channels=[base * expansion * 2**i for i in range(4)], out_channels=neck)
    model.rpn_head.update(in_channels=neck, feat_channels=neck)
    model.roi_head.bbox_roi_extractor.out_channels = neck
    model.roi_head.bbox_head.update(
        in_channels=neck, fc_out_channels=int(1024 * width), num_classes=classes, reg_class_agnostic=True
    )
    model.train_cfg.rcnn.sampler.num = rois
    return model
