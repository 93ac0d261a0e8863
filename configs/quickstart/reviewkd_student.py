"""The same student with ReviewKD on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0))])
