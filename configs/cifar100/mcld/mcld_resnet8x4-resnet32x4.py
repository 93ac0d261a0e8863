"""MCLD, ResNet-8x4 <- ResNet-32x4. Our reconstruction; nothing comparable is published."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.MCLDLoss', category_weight=0.0)),
        dict(
            tap='logits',
            loss=dict(type='luminet_det.MCLDLoss', instance_weight=0.0, sample_weight=0.0),
            warmup='20 epochs',
        ),
    ]
)
