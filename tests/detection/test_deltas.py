"""DeltaMap: box deltas of one coder in the encoding of another."""

from types import SimpleNamespace

import torch
from mmdet.models.task_modules import DeltaXYWHBBoxCoder

from luminet_det.detection.deltas import DeltaMap


def test_mapped_deltas_are_what_the_students_coder_would_have_stored():
    torch.manual_seed(0)
    teacher = DeltaXYWHBBoxCoder((0.1, -0.2, 0.3, 0.05), (0.1, 0.1, 0.2, 0.2))
    student = DeltaXYWHBBoxCoder((-0.3, 0.0, 0.1, 0.2), (0.05, 0.2, 0.1, 0.4))
    boxes = torch.rand(2, 6, 2, 2).cumsum(2).flatten(2) * 20
    heads = (SimpleNamespace(bbox_coder=coder) for coder in (teacher, student))
    mapped = DeltaMap(*heads)(teacher.encode(*boxes))
    torch.testing.assert_close(mapped, student.encode(*boxes), rtol=1e-4, atol=1e-4)
