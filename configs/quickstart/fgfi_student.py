"""The same student with FGFI near the digits, on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.01))])
