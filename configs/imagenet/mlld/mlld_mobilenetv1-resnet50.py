"""MLLD, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". Published top-1 / top-5: 73.01 / 91.42, as recalled."""

_base_ = ['../../_base_/imagenet_pairs/mobilenetv1-resnet50.py', '../../_base_/two_views_224px.py']

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.MLLDLoss', tau=1.0, loss_weight=0.5))])
train_dataloader = dict(dataset=dict(transforms=_base_.views))
