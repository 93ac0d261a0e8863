"""DKD + LS, VGG-8 <- VGG-13. Published top-1: 74.81."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    distill=[
        dict(
            tap='logits',
            loss=dict(
                type='luminet_det.DKDLoss',
                tau=2.0,
                target_weight=1.0,
                non_target_weight=2.0,
                loss_weight=15.0,
                standardize=True,
            ),
            warmup='20 epochs',
        )
    ]
)
