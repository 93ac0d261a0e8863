"""Teacher, student alone and distilled student on images of a config's validation set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from luminet_det import category_order
from luminet_det.compat import checkpoints
from luminet_det.dataset_config import common_classes
from luminet_det.detection.roi_taps import box_head
from luminet_det.distillation.teacher_config import build_model
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
        found: What each detector found in them, by the detector's name; the distilled student last.
        total: How many images the validation set has.
    """

    scenes: Sequence[Scene]
    found: Mapping[str, Detections]
    total: int

    @property
    def counts(self) -> dict[str, list[Count]]:
        """The right, wrong and missed boxes of each image, by detector."""
        return {name: counts(found, self.scenes) for name, found in self.found.items()}

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
    """Run the detectors on the same images.

    Args:
        cfg: The student's config, distilling or not, with `val_dataloader`.
        checkpoint: Weights of the distilled student.
        plain: Weights of the same student trained alone.
        images: Number of images, evenly spread over the validation set; all if None.
        score: Boxes with a lower score are left out.
        device: Default: a GPU if there is one.
        said: Called with a line of text before each detector runs.

    Raises:
        FileNotFoundError: A config or a file of weights or annotations is not there.
        RuntimeError: Weights do not fit.
        ValueError: There is nothing to compare with, no validation set, no image in it or no detector, or class names
            do not fit.
    """
    from mmdet.registry import DATASETS

    init_default_scope(cfg.get('default_scope') or 'mmdet')
    if not cfg.get('val_dataloader'):
        raise ValueError('the config has no val_dataloader, whose images are shown')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    if not len(dataset):
        raise ValueError('the dataset of val_dataloader has no image')
    student = build_model(cfg)
    if not hasattr(student, 'bbox_head') and not hasattr(student, 'roi_head'):
        raise ValueError('the config is not of a detector; for classifiers, use tools/analyze.py')
    teachers = [teacher for teacher in getattr(student, 'teachers', ()) if not teacher.trainable]
    if not teachers and not plain:
        raise ValueError('there is nothing to compare with: the config has no frozen teacher; give --plain CHECKPOINT')
    category_order.check(dataset)
    device = torch.device(device or get_device())
    torch.zeros(1, device=device)
    # Load both before any detector runs, so that a wrong path is not noticed only after minutes.
    paths = {PLAIN: plain, DISTILLED: checkpoint} if plain else {DISTILLED: checkpoint}
    weights = {name: checkpoints.load(path) for name, path in paths.items()}
    for name, path in paths.items():
        load_strictly(student, weights[name], source=path)
    total = len(dataset)
    indices = torch.linspace(0, total - 1, min(images or total, total)).round().int().tolist()
    own = common_classes(dataset.metainfo)
    found = {}

    def ask(name: str, model: nn.Module, classes: Sequence[str]) -> None:
        if (number := _num_classes(model)) != len(classes):
            raise ValueError(
                f'the {name} has a head of {number} classes, but there are {len(classes)} names: {", ".join(classes)}'
            )
        said(f'{name} looks at {len(indices)} of {total} images ...')
        found[name] = detect(model.to(device), dataset, indices, classes, score, own)

    for place, given in enumerate(teachers, start=1):
        teacher = given.as_tested()
        teacher.build()
        ask(TEACHER if len(teachers) == 1 else f'{TEACHER} {place}', teacher.model, teacher.classes or own)
    for name, path in paths.items():
        load_strictly(student, weights[name], source=path)
        ask(name, student, own)
    with_masks = any(box.outline for of_images in found.values() for boxes in of_images for box in boxes)
    return Comparison([scene(dataset, index, with_masks) for index in indices], found, total)


def _num_classes(detector: nn.Module) -> int:
    head = box_head(detector.roi_head) if hasattr(detector, 'roi_head') else detector.bbox_head
    return head.num_classes
