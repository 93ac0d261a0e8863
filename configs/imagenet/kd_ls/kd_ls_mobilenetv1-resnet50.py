"""KD + LS, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". No number for these settings was read."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    ce_weight=0.5, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
