"""The same student with DKD on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.DKDLoss', tau=1.0, non_target_weight=0.25))])
