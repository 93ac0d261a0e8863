"""Loading a config as the tools do: a mistake is refused with what to write instead."""

from argparse import ArgumentParser

import pytest
from mmdet.models import FasterRCNN
from mmdet.registry import MODELS

from luminet_det import config
from tests import pairs, tiny


def load(path, *options, runs=False):
    parser = ArgumentParser()
    config.add_arguments(parser, runs=runs)
    return config.load(parser.parse_args([str(path), *(['--cfg-options', *options] if options else [])]))


@pytest.fixture
def distilling(tmp_path):
    path = tmp_path / 'distilling.py'
    path.write_text(
        "model = dict(type='luminet_det.DistillTwoStageDetector', teacher='mmdet::faster_rcnn', "
        "distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.KDLoss'))])\ncustom_hooks = []\n"
    )
    return path


@pytest.mark.parametrize('line', ["distill = [dict(tap='roi_cls')]", "teacher = 'mmdet::faster_rcnn'"])
def test_what_stands_beside_the_model_is_refused_and_what_the_model_uses_is_not(tmp_path, line):
    key = line.partition(' ')[0]
    beside, used = tmp_path / 'beside.py', tmp_path / 'used.py'
    beside.write_text(f"model = dict(type='FasterRCNN')\n{line}\n")
    with pytest.raises(ValueError, match=rf'write model = dict\({key}=\.\.\.\)'):
        load(beside)
    used.write_text(f"{line}\nmodel = dict(type='luminet_det.DistillTwoStageDetector', {key}={key})\n")
    assert key in load(used).model


@pytest.mark.parametrize(
    ('option', 'line'),
    [
        ('distill.0.loss.tau=8', r'write model\.distill\.0\.loss\.tau'),
        ('teacher.checkpoint=mine.pth', r'write model\.teacher\.checkpoint'),
        ('modle.ce_weight=3', "Did you mean 'model'"),
        ('model.distill.loss.tau=1', r'numbered, as in model\.distill\.0\.loss\.tau=1'),
        ("custom_hooks=[dict(type='EMAHook')]", r'custom_hooks: dict\(\.\.\.\) works only in a config'),
        (
            "model.distill=[dict(tap='roi_cls',loss=dict(type='KDLoss'))]",
            r'model\.distill: dict\(\.\.\.\) works only in a config',
        ),
        ('custom_hooks=EMAHook', r"custom_hooks='EMAHook' is not a list of hooks: write custom_hooks = \[dict\(type"),
        ('custom_hooks=[EMAHook]', r"custom_hooks='EMAHook' is not a list of hooks"),
    ],
)
def test_an_option_that_nothing_would_read_is_refused_with_the_one_to_write(distilling, option, line):
    with pytest.raises(ValueError, match=line):
        load(distilling, option)


def test_an_option_of_the_runner_and_one_of_a_term_are_taken(distilling):
    taken = load(distilling, 'model.distill.0.loss.tau=8', 'val_dataloader=None')
    assert taken.model.distill[0].loss.tau == 8
    assert 'val_dataloader' in taken


@pytest.mark.parametrize(
    ('text', 'value'),
    [('my data/coco', 'my data/coco'), (' 3 ', 3), ('1,2', [1, 2]), ('[(a, b)]', [('a', 'b')]), ("'None'", None)],
)
def test_a_value_keeps_its_spaces_where_it_is_a_single_one(distilling, text, value):
    assert load(distilling, f'model.test_cfg={text}').model.test_cfg == value


def test_the_projects_configs_find_each_other_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        config.find('configs/cifar100/resnet56.py')
    assert config.find('configs/cifar100/resnet56.py', by_config=True).is_file()
    (tmp_path / 'configs' / 'cifar100').mkdir(parents=True)
    own = tmp_path / 'configs' / 'cifar100' / 'resnet56.py'
    own.touch()
    assert config.find('configs/cifar100/resnet56.py', by_config=True).resolve() == own
    with pytest.raises(FileNotFoundError, match=r'Similar configs in configs/cifar100: resnet56\.py'):
        config.find('configs/cifar100/resnet57.py', by_config=True)


def test_a_transformer_with_a_teacher_is_not_sent_to_a_type_that_refuses_it(tmp_path):
    path = tmp_path / 'c.py'
    path.write_text("model = dict(type='DETR', decoder=dict(), teacher='mmdet::faster_rcnn', distill=[])\n")
    with pytest.raises(ValueError, match='The student has a decoder: it is a transformer'):
        load(path)


@pytest.mark.parametrize(
    ('kind', 'line'),
    [
        ('FasterRCNN', "takes no teacher: write type='luminet_det.DistillTwoStageDetector'"),
        ('mmdet.RetinaNet', "takes no teacher: write type='luminet_det.DistillSingleStageDetector'"),
        ('DistillTwoStageDetector', "write type='luminet_det.DistillTwoStageDetector'"),
    ],
)
def test_a_type_that_takes_no_teacher_is_refused_with_the_one_that_does(tmp_path, kind, line):
    path = tmp_path / 'c.py'
    head = '' if kind == 'mmdet.RetinaNet' else 'roi_head=dict(), '
    path.write_text(f"model = dict(type='{kind}', {head}teacher='mmdet::faster_rcnn', distill=[])\n")
    with pytest.raises(ValueError, match=line):
        load(path)


def test_so_is_a_class_that_a_config_of_pure_python_names():
    with pytest.raises(ValueError, match="model.type='FasterRCNN' takes no teacher: write type='luminet_det"):
        config._check_type(dict(type=FasterRCNN, roi_head={}), 'teacher', 'mmdet')


def test_a_distilling_class_of_ones_own_is_taken(tmp_path):
    from luminet_det.detection import DistillTwoStageDetector

    class Own(DistillTwoStageDetector):
        def __init__(self, *args, extra=None, **kwargs):
            super().__init__(*args, **kwargs)

    path = tmp_path / 'c.py'
    path.write_text("model = dict(type='Own', roi_head=dict(), teacher='mmdet::faster_rcnn', distill=[])\n")
    MODELS.register_module(module=Own)
    try:
        assert load(path).model.type == 'Own'
    finally:
        MODELS.module_dict.pop('Own')


def test_a_teacher_without_a_distill_is_refused_and_an_empty_one_is_taken(teacher):
    student = pairs.distilling(tiny.faster_rcnn(), teacher, [])
    assert not pairs.build(student).terms
    student.pop('distill')
    with pytest.raises(ValueError, match=r'a teacher but no distill.*distill=\[\] if that is intended'):
        pairs.build(student)


def test_without_loader_processes_what_they_alone_can_do_is_left_out(tmp_path):
    path = tmp_path / 'plain.py'
    path.write_text(
        "model = dict(type='FasterRCNN')\n"
        'test_dataloader = dict(num_workers=2, persistent_workers=True, prefetch_factor=4)\n'
    )
    assert load(path, runs=True).test_dataloader.persistent_workers
    alone = load(path, 'test_dataloader.num_workers=0', runs=True).test_dataloader
    assert alone == dict(num_workers=0)
    shown = load(path, 'test_dataloader.num_workers=0').test_dataloader
    assert shown.prefetch_factor == 4


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ("model = dict(type='luminet_det.Classifier', network=dict(type='resnet20'))", "model.network.type='resnet20'"),
        ("train_dataloader = dict(dataset=dict(type='CIFAR100'))", r"train_dataloader.dataset.type='CIFAR100'"),
        (
            "val_dataloader = dict(dataset=dict(type='RepeatDataset', dataset=dict(type='STL10')))",
            r"val_dataloader.dataset.dataset.type='STL10'",
        ),
        ("test_evaluator = [dict(type='Accuracy')]", r"test_evaluator.0.type='Accuracy'"),
        ("custom_hooks = [dict(type='ResultHook')]", r"custom_hooks.0.type='ResultHook'"),
        ("default_hooks = dict(mine=dict(type='ResultHook'))", r"default_hooks.mine.type='ResultHook'"),
    ],
)
def test_what_is_named_without_its_scope_is_told_it(tmp_path, line, message):
    path = tmp_path / 'config.py'
    path.write_text(line + '\n')
    with pytest.raises(ValueError, match=f"{message}: write type='luminet_det."):
        load(path)
    path.write_text(f"default_scope = 'luminet_det'\n{line}\n")
    assert load(path)
