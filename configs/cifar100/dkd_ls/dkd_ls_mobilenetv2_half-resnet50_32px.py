"""DKD + LS, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 70.45."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

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
