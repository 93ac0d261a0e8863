"""The assistant: a detector of a size between student and teacher, which has learnt from the teacher by KD."""

_base_ = './kd_student.py'

model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=48),
    rpn_head=dict(in_channels=48),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=48),
        bbox_head=dict(in_channels=48, fc_out_channels=128),
    ),
)
