"""DKD + LS, WRN-16-2 <- ResNet-32x4. Published top-1: 76.19.

The beta of this pair is unpublished: 8, as for the other students of ResNet-32x4.
"""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-resnet32x4.py'

model = dict(
    distill=[
        dict(
            tap='logits',
            loss=dict(
                type='luminet_det.DKDLoss',
                tau=2.0,
                target_weight=1.0,
                non_target_weight=8.0,
                loss_weight=9.0,
                standardize=True,
            ),
            warmup='20 epochs',
        )
    ]
)
