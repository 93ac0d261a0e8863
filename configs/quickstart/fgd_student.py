"""The same student with FGD on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGDLoss'))])
