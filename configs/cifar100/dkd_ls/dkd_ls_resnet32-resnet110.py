"""DKD + LS, ResNet-32 <- ResNet-110. Published top-1: 74.29."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

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
