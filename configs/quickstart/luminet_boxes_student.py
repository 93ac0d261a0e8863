"""The same student with LumiNet on the RoI logits and the teacher's box deltas."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
        dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1.0)),
    ]
)
