"""A student with PKD on all levels of the neck: its neck is as wide as the teacher's, as PKD requires."""

_base_ = './luminet_student.py'

model = dict(
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=64), bbox_head=dict(in_channels=64)),
    distill=[dict(tap='neck', loss=dict(type='luminet_det.PKDLoss', loss_weight=6.0))],
)
