"""AT, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". Published top-1 / top-5: 69.56 / 89.33, as recalled."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
