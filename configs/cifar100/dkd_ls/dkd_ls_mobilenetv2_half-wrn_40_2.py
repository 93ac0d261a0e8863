"""DKD + LS, MobileNetV2 of half width <- WRN-40-2. Published top-1: 70.01.

The beta of this pair is unpublished: 6, as for the WRN students of WRN-40-2.
"""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-wrn_40_2.py'

model = dict(
    distill=[
        dict(
            tap='logits',
            loss=dict(
                type='luminet_det.DKDLoss',
                tau=2.0,
                target_weight=1.0,
                non_target_weight=6.0,
                loss_weight=9.0,
                standardize=True,
            ),
            warmup='20 epochs',
        )
    ]
)
