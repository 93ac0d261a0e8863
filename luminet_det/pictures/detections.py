"""What a detector finds in some images of a dataset."""

from collections.abc import Collection, Sequence
from itertools import repeat

import torch
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.utils.data import Dataset

from luminet_det.pictures.labelled_box import LabelledBox
from luminet_det.pictures.outline import of_bitmap

Detections = list[list[LabelledBox]]  # of each image


@torch.no_grad()
def detect(
    model: nn.Module,
    dataset: Dataset,
    indices: Sequence[int],
    classes: Sequence[str],
    score: float,
    wanted: Collection[str] | None = None,
) -> Detections:
    """Run a detector.

    Args:
        model: The detector, which is set to evaluation mode.
        dataset: With a pipeline for testing; the detector's own preprocessor normalises its images.
        indices: Indices of the images, from 0.
        classes: Names in the order of the detector's labels.
        score: Boxes with a lower score are left out.
        wanted: Classes that count; boxes of others are left out. Default: all.

    Returns:
        The boxes of each image by descending score, in pixels of the image on the disk; with outlines if the detector
        predicts masks.
    """
    model.eval()
    answers = []
    for index in indices:
        (answer,) = model.test_step(pseudo_collate([dataset[index]]))
        found = answer.pred_instances.cpu()
        found = found[found.scores >= score]
        found = found[found.scores.argsort(descending=True)]
        outlines = map(of_bitmap, found.masks.numpy()) if 'masks' in found else repeat((), len(found))
        boxes = zip(found.bboxes.tolist(), found.labels.tolist(), found.scores.tolist(), outlines, strict=True)
        named = [LabelledBox(tuple(box), classes[label], sure, outline) for box, label, sure, outline in boxes]
        answers.append([box for box in named if wanted is None or box.name in wanted])
    return answers
