"""The same student with FGFI near the digits, on all levels of the neck.

The weight is the published one, with which the search of docs/method_shootout.md begins; 16 times as much was best.
"""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.01))])
