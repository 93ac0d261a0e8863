"""The same student with ReviewKD on all levels of the neck and DKD on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0)),
        dict(
            tap='roi_cls',
            rois='foreground',
            loss=dict(type='luminet_det.DKDLoss', tau=2.0, non_target_weight=0.25),
        ),
    ]
)
