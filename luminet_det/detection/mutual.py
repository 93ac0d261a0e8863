"""A training step of two-stage detectors that teach each other."""

from collections.abc import Sequence

from mmdet.structures import SampleList
from torch import Tensor

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.feature_taps import recorded_maps
from luminet_det.detection.roi_taps import RoIs
from luminet_det.detection.roi_teacher import RoITeacher


def peer_step(
    link: RoITeacher, calls: Sequence[RoIs], inputs: Tensor, samples: SampleList
) -> tuple[dict, list[HeadAnswer]]:
    """A peer's own losses, and its logits on the student's RoIs, all with gradient.

    For its own losses it samples its own RoIs; for the terms all networks are compared on those of the student.

    Args:
        link: The peer, wired to the student.
        calls: The recorded calls of the student's box head.
        inputs: (N, 3, H, W), normalised for the student.
        samples: N samples with ground truth.
    """
    peer = link.teacher.model
    shapes = [tuple(sample.get('img_shape', inputs.shape[-2:])[:2]) for sample in samples]
    with recorded_maps(peer, ('neck',)) as maps:
        losses = peer.loss(link.pixels(inputs, shapes), samples)
    return losses, [link.answer_call(stage, call, maps['neck']) for stage, call in enumerate(calls)]
