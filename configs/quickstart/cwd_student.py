"""The same student with CWD on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.CWDLoss', tau=1.0, loss_weight=10.0))])
