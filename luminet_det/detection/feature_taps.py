"""Feature taps: the maps of backbone and neck, level by level."""

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
    """A detector's maps of images (N, 3, H, W): those of the neck and, if among the taps, those of the backbone."""
    maps: Maps = {}
    run_backbone = model.backbone

    def recording(*args: Tensor) -> tuple[Tensor, ...]:
        maps['backbone'] = run_backbone(*args)
        return maps['backbone']

    # Not the backbone's `forward`, which a compiled backbone does not look up.
    with shadowed(model, backbone=recording) if 'backbone' in taps else nullcontext():
        maps['neck'] = model.extract_feat(inputs)
    return maps


@contextmanager
def recorded_maps(detector: nn.Module, taps: Iterable[str]) -> Iterator[Maps]:
    """Within the context, `detector.extract_feat` puts its maps into the returned dict if the taps include them."""
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

    For the neck they are those of the priors of the head after it, as on small images the sizes are ambiguous.
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
        student: The student's map (N, C_i, H_i, W_i) of each level.
        teacher: The teacher's maps, with the same heights and widths.
        strides: Stride of each level in pixels.
        places: Index of each level among the student's levels.
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
    """The levels of equal stride, cropped to the size they share, as one network may pad its images more.

    They are ordered from the finest to the coarsest, whatever their order in the networks. If several levels of a
    network have the same stride, as in dilated networks, the first is paired with the first of the other network.

    Args:
        tap: Name of the tap, for messages.
        which: `'all'` levels of both, those in `'common'`, or indices of the student's levels, 0 for the finest.
        student: Its levels.
        teacher: Its levels.
        student_strides: Stride of each.
        teacher_strides: Stride of each.
        bridges: Whether the numbers of channels may differ.

    Raises:
        ValueError: The strides differ, two levels have different numbers of channels, or there is no such index.
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
                f'{of_teacher.shape[1]} in the teacher, but they are compared channel by channel; {change}, or use a '
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
    """For each of the student's levels, the index of the teacher's level of that stride, if it has one."""
    of_stride = {stride: [place for place, other in enumerate(teacher) if other == stride] for stride in teacher}
    return {
        place: of_stride[stride][before]
        for place, stride in enumerate(student)
        if (before := student[:place].count(stride)) < len(of_stride.get(stride, ()))
    }


def priors(detector: nn.Module, levels: Levels) -> tuple[Tensor, ...]:
    """The anchors (H_i, W_i, A, 4) of the head on the neck for each level, all of them, in pixels.

    Raises:
        ValueError: The detector has no anchors.
    """
    head = getattr(detector, 'rpn_head', None) or getattr(detector, 'bbox_head', None)
    generator = getattr(head, 'prior_generator', None)
    if not isinstance(generator, AnchorGenerator):
        raise ValueError(
            f'A loss of `distill` needs anchors, but {type(head).__name__} has none. Use a detector with anchors, such '
            'as Faster R-CNN, RetinaNet, ATSS or GFL, or another loss.'
        )
    found = []
    for place, level in zip(levels.places, levels.student, strict=True):
        anchors = generator.single_level_grid_priors(level.shape[-2:], place, device=level.device)
        found.append(anchors.view(*level.shape[-2:], -1, 4))
    return tuple(found)


def _listed(strides: list[int]) -> str:
    return ', '.join(map(str, strides))
