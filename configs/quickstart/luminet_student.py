"""The same student with LumiNet: it also learns from the teacher, on the RoIs that it samples anyway."""

_base_ = './student.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(config='{{ fileDirname }}/teacher.py', checkpoint='work_dirs/quickstart/teacher/iter_750.pth'),
    distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0))],
)
