"""The same student with the teacher's box deltas on the foreground RoIs, and nothing else of the teacher."""

_base_ = './luminet_student.py'

model = dict(distill=[dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1.0))])
