"""Two distilling students, each with a term on its head's logits and one on its neck, and teachers for them."""

from copy import deepcopy
from pathlib import Path

import torch

from tests import dense, pairs, tiny

PKD = dict(type='luminet_det.PKDLoss')
DISTILLERS = dict(
    two_stage='luminet_det.DistillTwoStageDetector', single_stage='luminet_det.DistillSingleStageDetector'
)
HEAD_TERMS = dict(
    two_stage=pairs.TERM, single_stage=dict(tap='dense_cls', rows='all', loss=dict(pairs.LUMINET, use_sigmoid=True))
)
NECK_TERM = dict(tap='neck', loss=PKD)
LOSSES = ('loss_luminet', 'loss_pkd')


def plain(kind: str, **widths) -> dict:
    """Model config of the stock detector: a Faster R-CNN, or a RetinaNet."""
    if kind == 'two_stage':
        return tiny.faster_rcnn(**widths)
    model = dense.model('retinanet', **widths)
    # The fifth level would be a stride-2 convolution of a 1x1 map, whose weight gradient in bfloat16 torch computes
    # from uninitialised memory (CPU, torch 2.5 to 2.15).
    model['neck']['num_outs'] = 4
    model['bbox_head']['anchor_generator']['strides'] = [8, 16, 32, 64]
    return model


def distilling(kind: str, teacher, distill: list | None = None, **widths) -> dict:
    """Model config of the student."""
    terms = [HEAD_TERMS[kind], NECK_TERM] if distill is None else distill
    return dict(plain(kind, **widths), type=DISTILLERS[kind], teacher=deepcopy(teacher), distill=deepcopy(terms))


def save_teacher(path: Path, model: dict, seed: int = 1, classes: tuple[str, ...] | None = None) -> dict:
    """Save a random teacher whose logits are as far apart as a trained one's; returns its `teacher=` setting."""
    setting = pairs.save_teacher(path, model, seed, classes)
    checkpoint = torch.load(path)
    for name, weight in checkpoint['state_dict'].items():
        if name == 'bbox_head.retina_cls.weight':
            torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(seed))
    torch.save(checkpoint, path)
    return setting
