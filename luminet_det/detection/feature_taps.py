"""Feature taps: the maps that backbone and neck give, level by level."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from luminet_det.detection.seams import shadowed
from luminet_det.distillation import Tap

FEATURE_TAPS = dict.fromkeys(('neck', 'backbone'), Tap('maps', {'levels': ('all', 'common')}))

Maps = dict[str, tuple[Tensor, ...]]


def feature_maps(model: nn.Module, inputs: Tensor, taps: Iterable[str] = ()) -> Maps:
    """The neck's maps of images (N, 3, H, W) and, if among the taps, the backbone's; without a neck both are one."""
    backbone = model.backbone(inputs)
    neck = model.neck(backbone) if model.with_neck else backbone
    return dict(neck=neck, backbone=backbone) if 'backbone' in taps else dict(neck=neck)


@contextmanager
def recorded_maps(detector: nn.Module, taps: Iterable[str]) -> Iterator[Maps]:
    """Within the context, `detector.extract_feat` leaves its maps in the returned dict, if a feature tap is wanted."""
    wanted, maps = FEATURE_TAPS.keys() & set(taps), {}
    if not wanted:
        yield maps
        return

    extract_feat = detector.extract_feat

    def recording(inputs: Tensor) -> tuple[Tensor, ...]:
        maps['neck'] = extract_feat(inputs)
        return maps['neck']

    def recording_backbone(inputs: Tensor) -> tuple[Tensor, ...]:
        maps['backbone'] = backbone(inputs)
        return maps['backbone']

    backbone = detector.backbone.forward
    with ExitStack() as stack:
        stack.enter_context(shadowed(detector, extract_feat=recording))
        if 'backbone' in wanted:
            stack.enter_context(shadowed(detector.backbone, forward=recording_backbone))
        yield maps


def strides(model: nn.Module, tap: str, maps: tuple[Tensor, ...], inputs: Tensor) -> list[int]:
    """Stride of each level in pixels.

    The neck's are those of the priors that the next head lays on it; on small images sizes do not tell them apart.
    """
    head = getattr(model, 'rpn_head', None) or getattr(model, 'bbox_head', None)
    known = getattr(getattr(head, 'prior_generator', None), 'strides', ())
    if tap == 'neck' and len(known) == len(maps):
        return [int(stride[0]) for stride in known]
    return [2 ** round(math.log2(max(inputs.shape[d] / level.shape[d] for d in (2, 3)))) for level in maps]


def paired(
    tap: str,
    which: str,
    student: tuple[Tensor, ...],
    teacher: tuple[Tensor, ...],
    student_strides: list[int],
    teacher_strides: list[int],
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The levels of equal stride, cut to the size they share: one network may pad its images further.

    Args:
        tap: For messages.
        which: `'all'` levels of both, or those they have in `'common'`.
        student: Its levels.
        teacher: Its levels.
        student_strides: Stride of each.
        teacher_strides: Stride of each.

    Raises:
        ValueError: The strides differ, or two levels have different numbers of channels.
    """
    common = [stride for stride in student_strides if stride in teacher_strides]
    if not common or (which == 'all' and student_strides != teacher_strides):
        advice = f"to compare {_listed(common)}, write levels='common' in the term." if common else 'they share none.'
        raise ValueError(
            f"The tap '{tap}' pairs levels by their stride. The student's are {_listed(student_strides)}, the "
            f"teacher's {_listed(teacher_strides)}; {advice}"
        )
    ours, theirs = [], []
    for stride in common:
        mine, other = student[student_strides.index(stride)], teacher[teacher_strides.index(stride)]
        if mine.shape[1] != other.shape[1]:
            change = (
                f'set out_channels={other.shape[1]} in the neck of the student (and in_channels of the heads on it).'
                if tap == 'neck'
                else "use the tap 'neck', whose width is a setting."
            )
            raise ValueError(
                f"At stride {stride} the tap '{tap}' has {mine.shape[1]} channels in the student and "
                f'{other.shape[1]} in the teacher, which are compared channel by channel; {change}'
            )
        height, width = (min(mine.shape[d], other.shape[d]) for d in (2, 3))
        ours.append(mine[:, :, :height, :width])
        theirs.append(other[:, :, :height, :width])
    return tuple(ours), tuple(theirs)


def _listed(strides: list[int]) -> str:
    return ', '.join(map(str, strides))
