"""The mmcv ops that a model needs, each called once on something tiny."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from luminet_det.doctor.findings import FAIL, OK, WARN, Finding


def check(model: nn.Module, settings: dict, device: torch.device) -> Iterator[Finding]:
    """Call every op that the built model or its test settings name.

    Args:
        model: The detector.
        settings: Its config, which names the kinds of NMS.
        device: Where to call them.
    """
    modules = {type(m).__name__ for m in model.modules() if type(m).__module__.startswith('mmcv.ops')}
    wanted = sorted(modules | {name for name in _nms_types(settings) if name in CALLS})
    worked, untried = [], []
    for name in wanted:
        call = CALLS.get(name)
        if call is None:
            untried.append(name)
            continue
        try:
            call(device)
            worked.append(name)
        except Exception as error:
            yield Finding('ops', FAIL, f'{name} does not work on {device.type}: {error}', _advice(name))
    if untried:
        yield Finding('ops', WARN, f'not tested one by one: {", ".join(untried)}; the step below runs them')
    if worked or not wanted:
        yield Finding('ops', OK, f'{", ".join(worked) or "none needed"}')


def _nms_types(settings: object) -> set[str]:
    if isinstance(settings, dict):
        found = set().union(*(_nms_types(value) for value in settings.values())) if settings else set()
        nms = settings.get('nms')
        return found | ({nms['type']} if isinstance(nms, dict) and 'type' in nms else set())
    if isinstance(settings, (list, tuple)):
        return set().union(*map(_nms_types, settings)) if settings else set()
    return set()


def _advice(name: str) -> str:
    return f'Use another layer than {name} in `model`, or install a compiled mmcv that fits this torch.'


def _boxes(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [1.0, 1.0, 8.0, 8.0], [20.0, 20.0, 30.0, 30.0]], device=device)
    return boxes, torch.tensor([0.9, 0.8, 0.7], device=device)


def _nms(device: torch.device) -> None:
    from mmcv.ops import nms

    nms(*_boxes(device), iou_threshold=0.5)


def _soft_nms(device: torch.device) -> None:
    from mmcv.ops import soft_nms

    soft_nms(*_boxes(device), iou_threshold=0.5)


def _pooling(name: str) -> Callable[[torch.device], None]:
    def call(device: torch.device) -> None:
        from mmcv import ops

        features = torch.ones(1, 2, 8, 8, device=device, requires_grad=True)
        rois = torch.tensor([[0.0, 0.0, 0.0, 6.0, 6.0]], device=device)
        getattr(ops, name)(2, 1.0)(features, rois).sum().backward()

    return call


def _deformable(name: str) -> Callable[[torch.device], None]:
    def call(device: torch.device) -> None:
        from mmcv import ops

        layer = getattr(ops, name)(4, 4, 3, padding=1).to(device)
        layer(torch.ones(1, 4, 5, 5, device=device)).sum().backward()

    return call


CALLS = {
    'nms': _nms,
    'soft_nms': _soft_nms,
    'RoIAlign': _pooling('RoIAlign'),
    'RoIPool': _pooling('RoIPool'),
    'DeformConv2dPack': _deformable('DeformConv2dPack'),
    'ModulatedDeformConv2dPack': _deformable('ModulatedDeformConv2dPack'),
}
