"""The same student with ReviewKD on the neck and LumiNet on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0)),
        dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
