"""Whether the neck of a detector fits its backbone: the channels it takes, the strides its heads are made for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from mmdet.models.necks import RFP, YOLOV3Neck
from torch import nn

from luminet_det.backbones.timm_backbone import TimmBackbone
from luminet_det.distillation.companions import evaluating
from luminet_det.distillation.image_channels import image_channels
from luminet_det.unwrapped import unwrapped


def check_neck(model: nn.Module, whose: str = 'model') -> None:
    """Raise ValueError if a `TimmBackbone` gives other channels or strides than the rest of its detector wants.

    Heads made for other strides would crop their RoIs in the wrong places without a word. Nothing is run, so other
    backbones, which do not report what they give, pass; see `explain_neck`.

    Args:
        model: A detector of mmdet, or one wrapped for distribution.
        whose: What the message calls it, e.g. 'teacher'.
    """
    model = unwrapped(model)
    backbone, neck = getattr(model, 'backbone', None), _first_neck(model)
    if not isinstance(backbone, TimmBackbone) or neck is None:
        return
    if problem := _channel_problem(whose, backbone, neck, backbone.channels):
        raise ValueError(problem)
    given = backbone.strides[getattr(neck, 'start_level', 0) :]
    for name, wanted in _wanted_strides(model):
        if wanted[: len(given)] != given[: len(wanted)]:
            raise ValueError(_stride_problem(whose, backbone, neck, name, wanted))


@contextmanager
def explain_neck(model: nn.Module, whose: str = 'model') -> Iterator[None]:
    """Where features are computed: if that fails because the neck does not fit, say so, with the right channels.

    While nothing fails this does nothing. After an error the backbone, of any kind, is run once more on a small
    image to learn what it gives; the modes of its modules and the random state are left as they were.

    Args:
        model: A detector of mmdet, or one wrapped for distribution.
        whose: What the message calls it, e.g. 'teacher'.

    Raises:
        ValueError: The neck takes other channels than the backbone gives.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, IndexError, RuntimeError) as error:
        model = unwrapped(model)
        # A runner that builds its model later has but its config.
        if not isinstance(model, nn.Module):
            raise
        backbone, neck = getattr(model, 'backbone', None), _first_neck(model)
        channels = None if neck is None else _probe(backbone)
        # A backbone that fails by itself has an error of its own to tell.
        if channels and (problem := _channel_problem(whose, backbone, neck, channels)):
            raise ValueError(problem) from error
        raise


def _first_neck(model: nn.Module) -> nn.Module | None:
    """The neck that takes one entry of `in_channels` for each output of the backbone, finest first, and no more."""
    neck = getattr(model, 'neck', None)
    neck = neck[0] if isinstance(neck, nn.Sequential) else neck
    takes_list = isinstance(getattr(neck, 'in_channels', None), (list, tuple))
    # RFP takes the image too.
    return neck if takes_list and not isinstance(neck, RFP | YOLOV3Neck) else None


def _channel_problem(whose: str, backbone: nn.Module, neck: nn.Module, channels: Sequence[int]) -> str | None:
    if list(neck.in_channels) == list(channels):
        return None
    strides = f', at strides {backbone.strides}' if isinstance(backbone, TimmBackbone) else ''
    return (
        f'The neck {type(neck).__name__} of the {whose} takes in_channels={list(neck.in_channels)}, but its backbone '
        f'{_name(backbone)} gives {list(channels)}{strides}. Write neck=dict(in_channels={list(channels)}).'
    )


def _stride_problem(whose: str, backbone: TimmBackbone, neck: nn.Module, head: str, wanted: list[int]) -> str:
    start = getattr(neck, 'start_level', 0)
    info = backbone.network.feature_info.info
    # Of levels with the same stride the last has all of its layers.
    by_stride = {level['reduction']: i for i, level in enumerate(info)}
    levels = [by_stride[stride] for stride in wanted if stride in by_stride]
    if wanted[0] in by_stride and levels[0] >= start:
        levels = [*range(levels[0] - start, levels[0]), *levels]
        channels = [info[i]['num_chs'] for i in levels]
        advice = f'Write backbone=dict(out_indices={tuple(levels)}) and neck=dict(in_channels={channels})'
    else:
        advice = f'Give {head} the strides of the backbone'
    return (
        f'{head} of the {whose} is made for strides {wanted}, but its backbone {_name(backbone)} gives '
        f'{backbone.strides[start:]} with out_indices={backbone.out_indices}. {advice}.'
    )


def _wanted_strides(model: nn.Module) -> Iterator[tuple[str, list[int]]]:
    """What heads are made for, as the config calls it; the neck may add coarser levels of its own."""
    for head in ('rpn_head', 'bbox_head'):
        if generator := getattr(getattr(model, head, None), 'prior_generator', None):
            first = (stride[0] if isinstance(stride, tuple) else stride for stride in generator.strides)
            yield f'{head}.prior_generator', [int(stride) for stride in first]
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        extractor = getattr(getattr(model, 'roi_head', None), name, None)
        extractor = extractor[0] if isinstance(extractor, nn.ModuleList) else extractor
        if strides := getattr(extractor, 'featmap_strides', None):
            yield f'roi_head.{name}', list(strides)


def _probe(backbone: nn.Module) -> list[int] | None:
    """The channels of a backbone's outputs, None if it fails."""
    image = next(backbone.parameters()).new_zeros(1, image_channels(backbone), 128, 128)
    with suppress(Exception), torch.random.fork_rng(devices=[]), evaluating(backbone):
        return [feature.shape[1] for feature in backbone(image)]
    return None


def _name(backbone: nn.Module) -> str:
    if isinstance(backbone, TimmBackbone):
        return f'TimmBackbone({backbone.model_name!r})'
    return type(backbone).__name__
