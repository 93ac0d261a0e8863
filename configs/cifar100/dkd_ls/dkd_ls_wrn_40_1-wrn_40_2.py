"""DKD + LS, WRN-40-1 <- WRN-40-2. Published top-1: 74.89."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

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
