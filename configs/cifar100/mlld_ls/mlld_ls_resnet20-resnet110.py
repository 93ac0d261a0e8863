"""MLLD + LS, ResNet-20 <- ResNet-110. Published top-1: 72.27."""

_base_ = ['../../_base_/cifar100_pairs/resnet20-resnet110.py', '../../_base_/two_views_32px.py']

model = dict(
    ce_weight=0.2,
    distill=[dict(tap='logits', loss=dict(type='luminet_det.MLLDLoss', tau=2.0, loss_weight=9.0, standardize=True))],
)
train_dataloader = dict(dataset=dict(transforms=_base_.views))
optim_wrapper = dict(optimizer=dict(lr=0.025))
