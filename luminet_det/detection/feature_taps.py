"""Feature taps: the maps that backbone and neck give, level by level."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from mmdet.models.task_modules import AnchorGenerator
from torch import Tensor, nn

from luminet_det.detection.seams import shadowed
from luminet_det.distillation import Tap
from luminet_det.distillation.taps import chosen

LEVELS = {'levels': ('all', 'common', list)}
OF_MAPS = ('epoch', 'boxes', 'image_size', 'strides')
FEATURE_TAPS = {'neck': Tap('maps', LEVELS, (*OF_MAPS, 'priors')), 'backbone': Tap('maps', LEVELS, OF_MAPS)}

Maps = dict[str, tuple[Tensor, ...]]


def feature_maps(model: nn.Module, inputs: Tensor, taps: Iterable[str] = ()) -> Maps:
    """What the detector makes of images (N, 3, H, W) for its head and, if among the taps, its backbone's maps."""
    maps: Maps = {}
    run_backbone = model.backbone

    def recording(*args: Tensor) -> tuple[Tensor, ...]:
        maps['backbone'] = run_backbone(*args)
        return maps['backbone']

    # Not the backbone's `forward`: one that is compiled does not look it up.
    with shadowed(model, backbone=recording) if 'backbone' in taps else nullcontext():
        maps['neck'] = model.extract_feat(inputs)
    return maps


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


@dataclass
class Levels:
    """The levels that a term compares.

    Attributes:
        student: (N, C_i, H_i, W_i) of each.
        teacher: Of the same heights and widths.
        strides: Pixels per cell of each.
        places: Place of each among the student's levels.
    """

    student: tuple[Tensor, ...]
    teacher: tuple[Tensor, ...]
    strides: tuple[int, ...]
    places: tuple[int, ...]


def paired(
    tap: str,
    which: str | list[int],
    student: tuple[Tensor, ...],
    teacher: tuple[Tensor, ...],
    student_strides: list[int],
    teacher_strides: list[int],
    bridges: bool = False,
) -> Levels:
    """The levels of equal stride, cut to the size they share: one network may pad its images further.

    They come from the finest to the coarsest, whatever their order in the networks. Of levels that share a stride, as
    dilated networks have them, the first of the one is compared with the first of the other.

    Args:
        tap: For messages.
        which: `'all'` levels of both, those they have in `'common'`, or some of the student's, 0 for the finest.
        student: Its levels.
        teacher: Its levels.
        student_strides: Stride of each.
        teacher_strides: Stride of each.
        bridges: Whether the numbers of channels may differ.

    Raises:
        ValueError: The strides differ, or two levels have different numbers of channels; or there is no such place.
    """
    finest_first = sorted(range(len(student)), key=lambda place: student_strides[place])
    places = chosen(tap, 'levels', which, tuple(finest_first))
    places_of_teacher = _matches(student_strides, teacher_strides)
    common = [place for place in places if place in places_of_teacher]
    differs = sorted(student_strides) != sorted(teacher_strides) if which == 'all' else len(common) < len(places)
    if not common or (which != 'common' and differs):
        listed = _listed([student_strides[place] for place in common])
        advice = f"to compare {listed}, write levels='common' in the term." if common else 'they share none.'
        raise ValueError(
            f"The tap '{tap}' pairs levels by their stride. The student's are {_listed(student_strides)}, the "
            f"teacher's {_listed(teacher_strides)}; {advice}"
        )
    student_levels, teacher_levels = [], []
    for place in common:
        stride = student_strides[place]
        of_student, of_teacher = student[place], teacher[places_of_teacher[place]]
        if not bridges and of_student.shape[1] != of_teacher.shape[1]:
            change = (
                f'set out_channels={of_teacher.shape[1]} in the neck of the student (and in_channels of its heads)'
                if tap == 'neck'
                else "use the tap 'neck', whose width is a setting"
            )
            raise ValueError(
                f"At stride {stride} the tap '{tap}' has {of_student.shape[1]} channels in the student and "
                f'{of_teacher.shape[1]} in the teacher, which are compared channel by channel; {change}, or take a '
                "loss that learns to bridge them: loss=dict(type='luminet_det.FitNetLoss', regressor='conv', "
                'loss_weight=1.0).'
            )
        height, width = (min(of_student.shape[d], of_teacher.shape[d]) for d in (2, 3))
        student_levels.append(of_student[:, :, :height, :width])
        teacher_levels.append(of_teacher[:, :, :height, :width])
    return Levels(
        tuple(student_levels), tuple(teacher_levels), tuple(student_strides[place] for place in common), tuple(common)
    )


def _matches(student: list[int], teacher: list[int]) -> dict[int, int]:
    """For each of the student's places, by the strides of both, the teacher's; without those that it lacks."""
    of_stride = {stride: [place for place, other in enumerate(teacher) if other == stride] for stride in teacher}
    return {
        place: of_stride[stride][before]
        for place, stride in enumerate(student)
        if (before := student[:place].count(stride)) < len(of_stride.get(stride, ()))
    }


def priors(detector: nn.Module, levels: Levels) -> tuple[Tensor, ...]:
    """The anchors (H_i, W_i, A, 4) that the head on the neck lays on each level, unfiltered, in pixels.

    Raises:
        ValueError: The detector has no anchors.
    """
    head = getattr(detector, 'rpn_head', None) or getattr(detector, 'bbox_head', None)
    generator = getattr(head, 'prior_generator', None)
    if not isinstance(generator, AnchorGenerator):
        raise ValueError(
            f'A loss of `distill` needs anchors, and {type(head).__name__} has none. Use it with a detector that lays '
            'them: Faster R-CNN, RetinaNet, ATSS, GFL and those of their kind; or another loss.'
        )
    found = []
    for place, level in zip(levels.places, levels.student, strict=True):
        anchors = generator.single_level_grid_priors(level.shape[-2:], place, device=level.device)
        found.append(anchors.view(*level.shape[-2:], -1, 4))
    return tuple(found)


def _listed(strides: list[int]) -> str:
    return ', '.join(map(str, strides))
