"""MLLD, ResNet-18 <- ResNet-34. Published top-1 / top-5: 71.90 / 90.55, as recalled."""

_base_ = ['../../_base_/imagenet_pairs/resnet18-resnet34.py', '../../_base_/two_views_224px.py']

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.MLLDLoss', tau=1.0, loss_weight=0.5))])
train_dataloader = dict(dataset=dict(transforms=_base_.views))
optim_wrapper = dict(optimizer=dict(lr=0.1))
