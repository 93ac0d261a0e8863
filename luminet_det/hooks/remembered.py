"""What modules of mmdet remember from one step to the next and do not save with their weights."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from torch import nn

# By class: the size that batches are resized to, until the next is drawn; Dynamic R-CNN's statistics and thresholds.
ATTRIBUTES = {
    'BatchSyncRandomResize': ('_input_size',),
    'DynamicRoIHead': (
        'iou_history',
        'beta_history',
        'bbox_assigner.pos_iou_thr',
        'bbox_assigner.neg_iou_thr',
        'bbox_assigner.min_pos_iou',
        'bbox_head.loss_bbox.beta',
    ),
}


def remembered(model: nn.Module) -> dict[str, dict[str, Any]]:
    """The attributes of each module that remembers something, as numbers and lists of numbers."""
    return {
        name: {attribute: _plain(attrgetter(attribute)(module)) for attribute in attributes}
        for name, module, attributes in _that_remember(model)
    }


def remember(model: nn.Module, kept: dict[str, dict[str, Any]]) -> None:
    """Restore the attributes that `remembered` found in a model of the same kind."""
    for name, module, attributes in _that_remember(model):
        for attribute in attributes:
            if attribute in kept.get(name, {}):
                *path, last = attribute.split('.')
                owner = attrgetter('.'.join(path))(module) if path else module
                setattr(owner, last, kept[name][attribute])


def _that_remember(model: nn.Module) -> Iterator[tuple[str, nn.Module, tuple[str, ...]]]:
    for name, module in model.named_modules():
        for kind in type(module).__mro__:
            if kind.__name__ in ATTRIBUTES:
                yield name, module, ATTRIBUTES[kind.__name__]


def _plain(value: Any) -> Any:
    """The value without numpy's numbers, which a safely loaded checkpoint must not contain."""
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.item() if hasattr(value, 'item') else value
