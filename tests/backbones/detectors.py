"""A Faster R-CNN on any backbone, and a distilling step with it as student and as teacher."""

from copy import deepcopy
from pathlib import Path

import torch

from tests import pairs, tiny

FPN_STRIDES = (4, 8, 16, 32)


def faster_rcnn(backbone: dict, channels: list[int], strides=FPN_STRIDES) -> dict:
    """`tiny.faster_rcnn` on a backbone whose maps have these channels and strides."""
    model = tiny.faster_rcnn()
    model['backbone'] = dict(backbone)
    model['neck'] |= dict(in_channels=list(channels), num_outs=len(strides) + 1)
    model['rpn_head']['anchor_generator']['strides'] = [*strides, 2 * strides[-1]]
    model['roi_head']['bbox_roi_extractor']['featmap_strides'] = list(strides)
    return model


def distilling_step(model: dict, folder: Path) -> torch.nn.Module:
    """Train `model` for one step with a teacher of the same config, and check losses, gradients and weights.

    Returns:
        The student, with its gradients.
    """
    teacher = pairs.save_teacher(folder / 'teacher.pth', model)
    student = pairs.build(pairs.distilling(model, teacher))
    before = deepcopy(student.state_dict())
    losses = pairs.step(student)
    total = pairs.total(student, losses)
    total.backward()
    assert total.isfinite()
    assert losses['loss_luminet'] > 0
    taught = student.teachers[0].model.state_dict()
    assert all(
        torch.equal(value, taught[name]) for name, value in torch.load(teacher['checkpoint'])['state_dict'].items()
    )
    # DistributedDataParallel needs a gradient for every parameter that is trained.
    trained = {name: p.grad for name, p in student.named_parameters() if p.requires_grad}
    assert not [name for name, gradient in trained.items() if gradient is None]
    assert all(gradient.isfinite().all() for gradient in trained.values())
    torch.optim.SGD(student.parameters(), lr=0.1).step()
    moved = student.state_dict()
    assert any(not torch.equal(moved[name], before[name]) for name in trained if name.startswith('backbone'))
    assert pairs.build(model).load_state_dict(student.state_dict(), strict=True)
    return student
