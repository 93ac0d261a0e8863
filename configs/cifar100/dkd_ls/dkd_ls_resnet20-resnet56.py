"""DKD + LS, ResNet-20 <- ResNet-56. Published top-1: 72.32."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(
    distill=[
        dict(
            tap='logits',
            loss=dict(
                type='luminet_det.DKDLoss',
                tau=2.0,
                target_weight=1.0,
                non_target_weight=2.0,
                loss_weight=9.0,
                standardize=True,
            ),
            warmup='20 epochs',
        )
    ]
)
