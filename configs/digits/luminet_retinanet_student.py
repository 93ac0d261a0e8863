"""The same student with LumiNet: it also learns from the teacher, at its anchors.

python tools/train.py configs/digits/luminet_retinanet_student.py --seed 0
"""

_base_ = './retinanet_student.py'

model = dict(
    type='luminet_det.DistillSingleStageDetector',
    teacher=dict(
        config='{{ fileDirname }}/retinanet_teacher.py',
        checkpoint='work_dirs/retinanet_teacher/iter_3000.pth',
    ),
    distill=[
        dict(
            tap='dense_cls',
            rows=100,  # in each image, those where the teacher is most confident
            loss=dict(type='luminet_det.LumiNetLoss', use_sigmoid=True, tau=1.0, loss_weight=1.0),
        )
    ],
)
