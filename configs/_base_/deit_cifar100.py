"""DeiT on CIFAR-100's 32 px: 300 epochs of AdamW, cosine after 5 epochs of warm-up.

Batch, learning rate and weight decay are those of the Attention Probe's code, which trains on other images; epochs,
schedule and the parameters without decay are our choice. The paper gives no settings for its table 6.
"""

_base_ = './cifar100.py'

train_dataloader = dict(batch_size=256)
train_cfg = dict(max_epochs=300)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=8.5e-4, weight_decay=0.025),
    # As in DeiT: no decay of biases, norms, class token and positions.
    paramwise_cfg=dict(
        flat_decay_mult=0.0,  # of all that has one dimension
        custom_keys={'class_token': dict(decay_mult=0.0), 'pos_embedding': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=5, end=300, T_max=295, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=256)
