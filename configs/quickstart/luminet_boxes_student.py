"""The same student with LumiNet on the RoI logits and the teacher's box deltas."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0)),
        dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1.0)),
    ]
)
