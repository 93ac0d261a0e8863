"""Pair: one student, plain and distilling, and the floor of its step."""

import tempfile
from copy import deepcopy
from functools import partial
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from torch import nn

from benchmarks.step_cost import detectors
from benchmarks.step_cost.measure import peak, weight_bytes
from luminet_det.detection.feature_taps import feature_maps
from luminet_det.detection.roi_taps import recorded


class Pair:
    """A detector of the quickstart's widths on random images.

    Args:
        name: Key of `detectors.DETECTORS`.
        images: Number of images.
        size: Their height and width in pixels.
        device: Where to run.
        options: Settings of the teacher.
    """

    def __init__(self, name: str, images: int, size: int, device: torch.device, options: dict) -> None:
        self.device, self.options = device, options
        self.student, self.teacher = (detectors.DETECTORS[name](whose) for whose in ('student', 'teacher'))
        torch.manual_seed(0)
        self.plain = MODELS.build(ConfigDict(self.student)).to(device)
        packed = demo_mm_inputs(
            images, [[3, size, size]] * images, num_items=[4] * images, num_classes=10, with_mask=name == 'mask'
        )
        self.data = self.plain.data_preprocessor(packed, True)
        self.distilling = self.build()
        self.calls = self._sampled()

    def build(self, student: dict | None = None, teacher: dict | None = None, copies: int = 1, **settings) -> nn.Module:
        """A distilling student with the plain one's weights, its teachers built.

        Args:
            student: Changes to the student's backbone.
            teacher: The teacher's model config, if not the pair's.
            copies: Number of teachers.
            **settings: Settings of the teachers.
        """
        config = teacher or self.teacher
        classes, own_classes = detectors.num_classes(config), detectors.num_classes(self.student)
        names = [str(index) for index in range(classes)]
        made = deepcopy(self.student)
        made['backbone'] |= student or {}
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / 'teacher.pth')
            torch.save(
                dict(
                    state_dict=MODELS.build(ConfigDict(config)).state_dict(),
                    meta=dict(dataset_meta=dict(classes=names)),
                ),
                path,
            )
            setting = dict(config=config, checkpoint=path, **{**self.options, **settings})
            detector = MODELS.build(ConfigDict(detectors.distilling(made, [setting] * copies))).to(self.device)
            # Reversed, so that the columns of a teacher with more classes have to be gathered.
            detector.student_classes = lambda: names[::-1][:own_classes] if classes > own_classes else names
            detector.load_state_dict(self.plain.state_dict())
            self.run(detector)  # builds the teacher while its file exists
        return detector

    def losses(self, detector: nn.Module, images: slice = slice(None)) -> torch.Tensor:
        """The total loss on some of the images, with the same RoIs each time."""
        torch.manual_seed(0)
        samples = deepcopy(self.data['data_samples'][images])
        return detector.parse_losses(detector.loss(self.data['inputs'][images], samples))[0]

    def run(self, detector: nn.Module) -> None:
        """One training step, without the optimiser's step, whose cost is the same in every variant."""
        self.losses(detector).backward()
        detector.zero_grad()

    def _sampled(self) -> list:
        if detectors.single_stage(self.student):
            return []
        with recorded(self.plain.roi_head) as calls, torch.no_grad():
            self.losses(self.plain)
        return calls

    @property
    def num_rows(self) -> int:
        """RoIs of all stages, or priors of all images."""
        if self.calls:
            return sum(len(call.rois) for call in self.calls)
        generator = self.plain.bbox_head.prior_generator
        size = self.data['inputs'].shape[-1]
        positions = sum((size // stride[0]) ** 2 for stride in generator.strides)
        return len(self.data['inputs']) * positions * generator.num_base_priors[0]

    @torch.no_grad()
    def teacher_forward(self, parts: bool) -> None:
        """The other half of the floor: backbone, neck and head, on the student's RoIs where it has any.

        Args:
            parts: Whether to run the parts into which `teacher.batch_size` splits a batch, or all images at once.
        """
        link = self.distilling.links[0]
        inputs = self.data['inputs']
        for part, calls in self._parts(link, inputs, link.teacher.batch_size if parts else len(inputs)):
            maps = link.teacher.run(partial(feature_maps, taps=()), part)['neck']
            with link.teacher.answering(self.device.type):
                if not self.calls:
                    link.teacher.model.bbox_head(maps)
                    continue
                halves = (len(part) + 1) // 2 if parts else len(part)
                levels = zip(*(level.split(halves) for level in maps), strict=True)
                sizes = [len(half) for half in part.split(halves)]
                for features, of_half in zip(levels, link.split(calls, sizes), strict=True):
                    _box_head(link.teacher.model.roi_head, features, of_half)

    def _parts(self, link, inputs, size):
        parts = inputs.split(size)
        return zip(parts, link.split(self.calls, [len(part) for part in parts]), strict=True)

    def memory(self) -> dict:
        """Peak bytes of a step with the weights that it needs."""
        weights = weight_bytes(self.distilling.teachers[0].model)
        plain = peak(lambda: self.run(self.plain), self.device) + weight_bytes(self.plain)
        distilling = peak(lambda: self.run(self.distilling), self.device) + weight_bytes(self.plain) + weights
        return dict(
            plain_bytes=plain,
            teacher_weight_bytes=weights,
            distilling_bytes=distilling,
            distilling_over_plain_and_weights=round(distilling / (plain + weights), 4),
        )


def _box_head(roi_head: nn.Module, features: tuple, calls: list) -> None:
    for stage, call in enumerate(calls):
        if isinstance(roi_head.bbox_head, nn.ModuleList):
            roi_head._bbox_forward(stage, features, call.rois)
        else:
            roi_head._bbox_forward(features, call.rois)
