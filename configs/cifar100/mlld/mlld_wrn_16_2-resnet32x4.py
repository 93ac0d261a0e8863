"""MLLD, WRN-16-2 <- ResNet-32x4. Published top-1: 76.52."""

_base_ = ['../../_base_/cifar100_pairs/wrn_16_2-resnet32x4.py', '../../_base_/two_views_32px.py']

model = dict(
    ce_weight=0.2, distill=[dict(tap='logits', loss=dict(type='luminet_det.MLLDLoss', tau=4.0, loss_weight=0.9))]
)
train_dataloader = dict(dataset=dict(transforms=_base_.views))
optim_wrapper = dict(optimizer=dict(lr=0.025))
