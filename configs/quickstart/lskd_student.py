"""The same student with LSKD on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LSKDLoss', tau=1.0, loss_weight=16.0))])
