"""Settings other than model and data: a mistyped one is named with its place and the nearest known name."""

import pytest
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.optim import DefaultOptimWrapperConstructor

from luminet_det import run_settings


@pytest.fixture(autouse=True)
def registered():
    register_all_modules(init_default_scope=True)


def hook(kind, **settings):
    return dict(type=kind, **settings)


SOUND = dict(
    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1, dynamic_intervals=[(1, 1)]),
    val_cfg=dict(type='ValLoop', fp16=False),
    param_scheduler=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
        dict(type='MultiStepLR', milestones=[1], gamma=0.1, convert_to_iter_based=True),
        dict(type='mmdet.QuadraticWarmupLR', begin=0, end=1),
    ],
    default_hooks=dict(
        checkpoint=hook('CheckpointHook', interval=1, save_best='auto', meta=dict(of='mine')),
        logger=hook('LoggerHook', interval=1, priority=60),
        timer=None,
    ),
    custom_hooks=[
        hook('EMAHook', ema_type='ExpMomentumEMA', momentum=0.1, update_buffers=True, priority=49),
        hook('luminet_det.ResultHook', metric='coco/bbox_mAP'),
        hook('SomeoneElsesHook', whatever=1),
    ],
    train_dataloader=dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler'), dataset=dict()),
    val_evaluator=dict(type='CocoMetric', ann_file='val.json', prefix='mine'),
    test_evaluator=[dict(type='CocoMetric', metric='bbox'), dict(type='SomeoneElsesMetric', whatever=1)],
    optim_wrapper=dict(
        type='AmpOptimWrapper',
        loss_scale='dynamic',
        accumulative_counts=2,
        clip_grad=dict(type='value', clip_value=1.0),
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
        paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1, momentum=0.8))),
    ),
    visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
)


def test_sound_settings_pass():
    run_settings.check(ConfigDict(SOUND))
    run_settings.check(ConfigDict(train_cfg=dict(by_epoch=False, max_iters=4), val_cfg=None, visualizer=None))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(train_cfg=dict(by_epoch=True, max_epoch=2)), "train_cfg has no setting 'max_epoch'.*'max_epochs'"),
        (dict(train_cfg=dict(by_epoch=False, max_epochs=2)), "train_cfg has no setting 'max_epochs'.*max_iters"),
        (dict(val_cfg=dict(type='ValLoop', fp=True)), "val_cfg has no setting 'fp'"),
        (dict(val_dataloader=dict(batch_sze=4)), "val_dataloader has no setting 'batch_sze'.*'batch_size'"),
        (
            dict(param_scheduler=[dict(type='LinearLR', start_factr=0.1)]),
            r"param_scheduler\.0 has no setting 'start_factr'.*'start_factor'",
        ),
        (dict(param_scheduler=dict(type='LinearLR', ends=5)), "param_scheduler has no setting 'ends'.*'end'"),
        (
            dict(default_hooks=dict(checkpoint=hook('CheckpointHook', intervall=1))),
            r"default_hooks\.checkpoint has no setting 'intervall'.*'interval'",
        ),
        (
            dict(custom_hooks=[hook('EMAHook', momentm=0.1)]),
            r"custom_hooks\.0 has no setting 'momentm'.*'momentum'",
        ),
        (dict(custom_hooks=[hook('luminet_det.ResultHook', metrics='x')]), r"custom_hooks\.0 has no .*'metric'"),
        (dict(val_evaluator=dict(type='CocoMetric', annfile='v')), "val_evaluator has no .*'annfile'.*'ann_file'"),
        (
            dict(test_evaluator=[dict(type='CocoMetric', eval_mode='area')]),
            r"test_evaluator\.0 has no setting 'eval_mode'",
        ),
        (
            dict(val_evaluator=dict(type='Evaluator', metrics=[dict(type='CocoMetric', annfile='v')])),
            r"val_evaluator\.metrics\.0 has no setting 'annfile'",
        ),
        (dict(optim_wrapper=dict(accumulative_count=2)), "optim_wrapper has no .*'accumulative_counts'"),
        (
            dict(optim_wrapper=dict(optimizer=dict(type='AdamW', lrr=1))),
            r"optim_wrapper\.optimizer has no setting 'lrr'. Did you mean 'lr'",
        ),
        (dict(optim_wrapper=dict(clip_grad=dict(max_norms=1))), r"optim_wrapper\.clip_grad has no .*'max_norm'"),
        (
            dict(optim_wrapper=dict(paramwise_cfg=dict(norm_decay_mul=0))),
            r"optim_wrapper\.paramwise_cfg has no .*'norm_decay_mult'",
        ),
        (
            dict(
                optim_wrapper=dict(
                    optimizer=dict(type='SGD'), paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mul=1)))
                )
            ),
            r"custom_keys\.neck has no setting 'lr_mul'. Did you mean 'lr_mult'",
        ),
    ],
)
def test_a_mistyped_setting_is_named_with_its_place(changes, message):
    with pytest.raises(ValueError, match=message):
        run_settings.check(ConfigDict(SOUND | changes))


@pytest.mark.parametrize(
    'constructor', [DefaultOptimWrapperConstructor, 'mmengine.DefaultOptimWrapperConstructor'], ids=['class', 'scope']
)
def test_the_default_constructor_is_known_by_any_of_its_names(constructor):
    own = dict(constructor=constructor, paramwise_cfg=dict(norm_decay_mul=0))
    with pytest.raises(ValueError, match="'norm_decay_mult'"):
        run_settings.check(SOUND | dict(optim_wrapper=own))


def test_what_a_constructor_of_its_own_reads_is_its_own():
    own = dict(constructor='LayerDecayOptimizerConstructor', paramwise_cfg=dict(num_layers=6), optimizers=dict())
    run_settings.check(ConfigDict(SOUND | dict(optim_wrapper=own)))


def test_what_may_be_set_is_listed_once_and_without_what_the_runner_hands_over():
    changes = dict(default_hooks=dict(checkpoint=hook('CheckpointHook', intervall=1)))
    with pytest.raises(ValueError, match='intervall') as caught:
        run_settings.check(ConfigDict(SOUND | changes))
    known = str(caught.value).partition('Known: ')[2].rstrip('.').split(', ')
    assert sorted(set(known)) == known
    assert not {'self', 'filename'} & set(known)


def test_a_visualisation_whose_package_is_absent_is_named(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    backends = dict(visualizer=dict(vis_backends=[dict(type='LocalVisBackend'), dict(type='WandbVisBackend')]))
    with pytest.raises(ValueError, match='has WandbVisBackend, but the package wandb is not installed: pip install'):
        run_settings.check(ConfigDict(SOUND | backends))


@pytest.mark.parametrize('mode', ['reduce-overhead', 'max-autotune'])
def test_gradients_are_not_accumulated_in_cuda_graphs(mode):
    settings = dict(model=dict(compile=dict(mode=mode)), optim_wrapper=dict(accumulative_counts=2))
    with pytest.raises(ValueError, match=f"model.compile.mode='{mode}'.*accumulative_counts=2.*model.compile=True"):
        run_settings.check(settings)
    run_settings.check(settings | dict(optim_wrapper=dict(accumulative_counts=1)))


@pytest.mark.parametrize('compiled', [True, None, dict(mode='default'), dict(fullgraph=True)])
def test_gradients_are_accumulated_where_no_cuda_graph_holds_them(compiled):
    run_settings.check(dict(model=dict(compile=compiled), optim_wrapper=dict(accumulative_counts=2)))
