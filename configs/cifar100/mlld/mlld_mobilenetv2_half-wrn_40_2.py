"""MLLD, MobileNetV2 of half width <- WRN-40-2. Published top-1: 70.78.

The epochs of this pair are unpublished: 480, as for the other light student of WRN-40-2.
"""

_base_ = ['../../_base_/cifar100_pairs/mobilenetv2_half-wrn_40_2.py', '../../_base_/two_views_32px.py']

model = dict(
    ce_weight=0.2, distill=[dict(tap='logits', loss=dict(type='luminet_det.MLLDLoss', tau=4.0, loss_weight=0.9))]
)
train_dataloader = dict(dataset=dict(transforms=_base_.views))
train_cfg = dict(max_epochs=480)
