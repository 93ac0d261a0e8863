"""The same student with FitNet on all levels of the neck."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FitNetLoss', regressor='conv', loss_weight=1.0))])
