"""Teacher, student alone and distilled student on images of a config's validation set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from luminet_det.compat import checkpoints
from luminet_det.dataset_config import common_classes
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.weights import load_strictly
from luminet_det.pictures.detections import Detections, detect
from luminet_det.pictures.scene import Scene, scene
from luminet_det.pictures.telling import Count, counts

DISTILLED, PLAIN, TEACHER = 'distilled', 'student alone', 'teacher'


@dataclass(frozen=True)
class Comparison:
    """What each detector finds in some images.

    Attributes:
        scenes: The images.
        found: What each detector found in them, by what to call it; the distilled student last.
        total: How many images the validation set has.
    """

    scenes: Sequence[Scene]
    found: Mapping[str, Detections]
    total: int

    @property
    def counts(self) -> dict[str, list[Count]]:
        """The boxes of each image, by detector."""
        truths = [scene.truth for scene in self.scenes]
        return {name: counts(found, truths) for name, found in self.found.items()}

    @property
    def other(self) -> str:
        """The detector that the distilled student is compared with: the student alone, or the teacher."""
        return PLAIN if PLAIN in self.found else next(iter(self.found))


def compare(
    cfg: Config,
    checkpoint: str,
    plain: str | None = None,
    images: int | None = None,
    score: float = 0.5,
    device: str | None = None,
    said: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Ask the detectors.

    Args:
        cfg: The student's, distilling or not, with `val_dataloader`.
        checkpoint: Weights of the distilled student.
        plain: Those of the same student trained alone.
        images: How many, evenly over the validation set; all if None.
        score: Boxes below are left out.
        device: Default: a GPU if there is one.
        said: Told which detector is asked.

    Raises:
        FileNotFoundError: A config or a file of weights or annotations is not there.
        RuntimeError: Weights do not fit.
        ValueError: There is nothing to compare with, no validation set, or no detector.
    """
    from mmdet.registry import DATASETS, MODELS

    init_default_scope(cfg.get('default_scope', 'mmdet'))
    if not cfg.get('val_dataloader'):
        raise ValueError('the config has no val_dataloader, whose images are shown')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    student = MODELS.build(cfg.model)
    if not hasattr(student, 'bbox_head') and not hasattr(student, 'roi_head'):
        raise ValueError('the config is of no detector; tools/analyze.py shows classifiers')
    teachers = [teacher for teacher in getattr(student, 'teachers', ()) if not teacher.trainable]
    if not teachers and not plain:
        raise ValueError('there is nothing to compare with: the config has no frozen teacher; give --plain CHECKPOINT')
    total = len(dataset)
    indices = torch.linspace(0, total - 1, min(images or total, total)).round().int().tolist()
    own = common_classes(dataset.metainfo)
    device, found = device or get_device(), {}

    def ask(name: str, model: nn.Module, classes: Sequence[str]) -> None:
        said(f'{name}: {len(indices)} of {total} images')
        found[name] = detect(model.to(device), dataset, indices, classes, score)

    for place, given in enumerate(teachers, start=1):
        # Without what makes it quick in training; answers are the same but for rounding.
        teacher = Teacher(given.config, given.checkpoint, classes=given.classes)
        teacher.build()
        ask(TEACHER if len(teachers) == 1 else f'{TEACHER} {place}', teacher.model, teacher.classes or own)
    for name, weights in ((PLAIN, plain), (DISTILLED, checkpoint)):
        if weights:
            load_strictly(student, checkpoints.load(weights), source=weights)
            ask(name, student, own)
    return Comparison([scene(dataset, index) for index in indices], found, total)
