"""Two configs, as saved in checkpoints, are compared without running them."""

from mmengine.config import Config

from luminet_det.saved_config import changes


def config(**settings):
    return Config(
        dict(
            model=dict(distill=[dict(tap='roi_cls', loss=dict(tau=2.0, weights=[1, 2]))]),
            train_dataloader=dict(batch_size=2, num_workers=1, dataset=dict(type='a')),
            param_scheduler=[dict(end=500), dict(milestones=[8, 11])],
            work_dir='here',
        )
        | settings
    ).pretty_text


def test_each_changed_setting_is_named_with_both_values():
    now = config(
        model=dict(distill=[dict(tap='roi_cls', loss=dict(tau=4.0, weights=[1, 3], power=2))], teacher=None),
        param_scheduler=[dict(end=500)],
    )
    assert changes(config(), now) == [
        'model.distill.0.loss.tau: 2.0 -> 4.0',
        'model.distill.0.loss.weights: [1, 2] -> [1, 3]',
        'model.distill.0.loss.power: not there -> 2',
        'model.teacher: not there -> None',
        'param_scheduler.1: dict(milestones=[8, 11]) -> not there',
    ]


def test_what_does_not_decide_the_outcome_is_passed_over():
    loader = dict(batch_size=2, num_workers=8, dataset=dict(type='a'))
    assert changes(config(), config(train_dataloader=loader, work_dir='there', load_from='x.pth')) == []
    hooks = [dict(type='luminet_det.ResultHook', options=dict(a=1)), dict(type='EMAHook')]
    assert changes(config(custom_hooks=hooks[1:]), config(custom_hooks=hooks)) == []
    own = [[dict(type='luminet_det.InterruptHook', command=words)] for words in ('a', 'b')]
    assert changes(config(custom_hooks=own[0]), config(custom_hooks=own[1])) == []
    assert changes(config(), config(custom_hooks=own[1])) == []
    added = changes(config(custom_hooks=own[0]), config(custom_hooks=[*own[1], dict(type='EMAHook')]))
    assert added == ["custom_hooks: not there -> [dict(type='EMAHook')]"]


def test_hooks_and_evaluators_count():
    now = config(custom_hooks=[dict(type='EMAHook', momentum=0.1)], val_evaluator=dict(metric='bbox'))
    before = config(custom_hooks=[dict(type='EMAHook', momentum=0.2)], val_evaluator=dict(metric='segm'))
    assert changes(before, now) == [
        'custom_hooks.0.momentum: 0.2 -> 0.1',
        "val_evaluator.metric: 'segm' -> 'bbox'",
    ]


def test_a_setting_of_another_kind_is_shown_as_a_whole():
    before, now = config(model=dict(teacher='a')), config(model=dict(teacher=dict(config='a')))
    assert changes(before, now) == ["model.teacher: 'a' -> dict(config='a')"]


def test_a_set_has_no_order():
    assert changes("model = dict(a={'x', 'y'})", "model = dict(a={'y', 'x'})") == []
    assert changes("model = dict(a={'x', 'y'})", "model = dict(a={'z', 'x'})") == ["model.a: {'x', 'y'} -> {'x', 'z'}"]


def test_what_is_no_python_is_not_compared():
    assert changes('model = dict(a=<function f at 0x1>)', 'model = dict(a=1)') == []


def test_names_that_are_no_identifiers_are_read():
    before, after = (config(optim_wrapper={'paramwise_cfg': {'conv.0-1': dict(lr_mult=mult)}}) for mult in (1, 2))
    assert changes(before, after) == ['optim_wrapper.paramwise_cfg.conv.0-1.lr_mult: 1 -> 2']


def test_code_is_not_run(tmp_path):
    harm = f"model = dict(a=__import__('pathlib').Path({str(tmp_path / 'harm')!r}).touch())"
    assert len(changes(harm, 'model = dict(a=1)')) == 1
    assert not (tmp_path / 'harm').exists()
