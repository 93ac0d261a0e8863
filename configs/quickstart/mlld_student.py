"""The same student with MLLD's weak part, which needs no second view, on the RoI logits."""

_base_ = './luminet_student.py'

model = dict(
    distill=[
        dict(
            tap='roi_cls', rois='balanced', loss=dict(type='luminet_det.MLLDLoss', tau=1.0, views=1, loss_weight=0.001)
        )
    ]
)
