"""The same student with MGD on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.MGDLoss', masked=0.45, loss_weight=5e-07))])
