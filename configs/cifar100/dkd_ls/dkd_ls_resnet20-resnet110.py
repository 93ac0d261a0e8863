"""DKD + LS, ResNet-20 <- ResNet-110. Published top-1: 71.85.

The beta of this pair is unpublished: 2, as for the other students of 16 to 64 channels.
"""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

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
