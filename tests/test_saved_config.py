"""Two configs as checkpoints hold them, compared without running them."""

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
        'param_scheduler.1.milestones: [8, 11] -> not there',
        'model.distill.0.loss.power: not there -> 2',
        'model.teacher: not there -> None',
    ]


def test_what_does_not_decide_the_outcome_is_passed_over():
    loader = dict(batch_size=2, num_workers=8, dataset=dict(type='a'))
    assert changes(config(), config(train_dataloader=loader, work_dir='there', load_from='x.pth')) == []


def test_names_that_are_no_identifiers_are_read():
    before, after = (config(optim_wrapper={'paramwise_cfg': {'conv.0-1': dict(lr_mult=mult)}}) for mult in (1, 2))
    assert changes(before, after) == ['optim_wrapper.paramwise_cfg.conv.0-1.lr_mult: 1 -> 2']


def test_code_is_not_run(tmp_path):
    harm = f"model = dict(a=__import__('pathlib').Path({str(tmp_path / 'harm')!r}).touch())"
    assert len(changes(harm, 'model = dict(a=1)')) == 1
    assert not (tmp_path / 'harm').exists()
