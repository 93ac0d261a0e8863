"""The same student with FGFI near the digits, at the weight that was best for it alone, and LumiNet on the logits."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.16)),
        dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
