"""The same student with FCFD on neck and box head."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FCFDDetLoss'))])
