"""The same student with MCLD (our reconstruction) on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(
            tap='roi_cls',
            rois='balanced',
            loss=dict(type='luminet_det.MCLDLoss', center_categories=True, loss_weight=0.1),
        )
    ]
)
