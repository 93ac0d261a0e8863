"""The same student with DML: the teacher's detector starts from scratch too, and both learn from each other."""

_base_ = './student.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(config='{{ fileDirname }}/teacher.py', trainable=True),
    distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
