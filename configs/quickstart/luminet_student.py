"""The same student with LumiNet: on the RoIs it samples anyway, it also listens to the teacher."""

_base_ = './student.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(config='{{ fileDirname }}/teacher.py', checkpoint='work_dirs/quickstart/teacher/iter_750.pth'),
    distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0))],
)
