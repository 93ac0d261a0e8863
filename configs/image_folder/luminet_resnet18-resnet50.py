"""LumiNet, ResNet-18 <- ResNet-50, on your own image folder; weights and temperature as published for ImageNet."""

_base_ = './resnet18.py'

work_dir = 'work_dirs/image_folder/luminet_resnet18-resnet50'
model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/image_folder/teacher_resnet50.py',
        checkpoint='work_dirs/image_folder/teacher_resnet50/epoch_30.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss', tau=0.7, loss_weight=2.0**2))],
)
custom_hooks = [dict(type='luminet_det.ResultHook'), dict(type='luminet_det.TeacherEvaluationHook')]
