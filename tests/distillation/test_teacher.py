"""Teacher: built from every kind of setting, loaded strictly, frozen, and not part of the student."""

import copy
import pickle

import pytest
import torch
from mmengine.config import Config

from luminet_det.detection.feature_taps import feature_maps
from luminet_det.distillation import Teacher
from tests import pairs, tiny


def config_file(path, **content):
    Config(content).dump(path)
    return str(path)


@pytest.fixture
def built(teacher):
    made = Teacher.from_setting(teacher)
    made.build()
    return made


@pytest.mark.parametrize('suffix', ['.py', ''])
def test_a_zoo_name_brings_its_published_weights_along(monkeypatch, suffix):
    asked = []

    def load(source, map_location):
        asked.append(source)
        raise ConnectionError('offline')

    monkeypatch.setattr('luminet_det.compat.checkpoints.load', load)
    with pytest.raises(ConnectionError):
        Teacher.from_setting(f'mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco{suffix}').build()
    assert asked[0].startswith('https://')
    assert 'faster_rcnn_r101_fpn_2x' in asked[0]


@pytest.mark.parametrize('kind', ['path', 'dict', 'model_dict_init_cfg', 'path_in_dict'])
def test_every_kind_of_setting_gives_the_same_teacher(tmp_path, teacher, kind):
    model, checkpoint = teacher['config'], teacher['checkpoint']
    plain = config_file(tmp_path / 'plain.py', model=model)
    pretrained = dict(type='Pretrained', checkpoint=checkpoint)
    setting = {
        'path': dict(config=plain, checkpoint=checkpoint),
        'dict': teacher,
        'model_dict_init_cfg': dict(model, init_cfg=pretrained),
        'path_in_dict': dict(config=config_file(tmp_path / 'p.py', model=dict(model, init_cfg=pretrained))),
    }[kind]
    made = Teacher.from_setting(copy.deepcopy(setting))
    made.build()
    weights = torch.load(checkpoint)['state_dict']
    assert all(torch.equal(value, weights[name]) for name, value in made.model.state_dict().items())
    assert made.classes == tiny.classes()


def test_a_data_preprocessor_beside_the_model_is_the_teachers(tmp_path, teacher):
    model = dict(teacher['config'])
    preprocessor = model.pop('data_preprocessor')
    path = config_file(tmp_path / 'c.py', model=model, data_preprocessor=dict(preprocessor, mean=[1.0, 2.0, 3.0]))
    made = Teacher(path, teacher['checkpoint'])
    made.build()
    assert made.model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]


def test_the_built_teacher_is_frozen_and_in_eval(built):
    assert not any(m.training for m in built.model.modules())
    assert not any(p.requires_grad for p in built.model.parameters())
    features = built.run(feature_maps, torch.zeros(1, 3, 64, 64, requires_grad=True) + 0)['neck']
    assert len(features) == 5


def test_building_leaves_the_random_state_as_it_was(teacher):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    Teacher.from_setting(teacher).build()
    assert torch.equal(torch.rand(4), expected)


def test_a_deepcopy_shares_the_teacher_and_a_pickle_carries_only_settings(built):
    assert copy.deepcopy(built) is built
    revived = pickle.loads(pickle.dumps(built))
    assert not revived.built
    revived.build()
    assert revived.classes == built.classes


@pytest.mark.parametrize('move', ['half', 'double', 'bfloat16'])
def test_it_follows_the_students_dtype(teacher, move):
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher))
    pairs.step(student)
    model = student.teachers[0].model
    getattr(student, move)()
    assert next(model.parameters()).dtype == next(student.parameters()).dtype != torch.float32
    student.float()
    assert next(model.parameters()).dtype == torch.float32


def test_it_follows_the_students_device(teacher):
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher))
    pairs.step(student)
    torch.nn.Module.to(student, 'meta')
    assert {p.device.type for p in student.teachers[0].model.parameters()} == {'meta'}


@pytest.mark.gpu
def test_it_follows_the_student_to_the_gpu(teacher):
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher)).cuda()
    losses = pairs.step(student)
    assert losses['loss_luminet'].is_cuda
    assert {p.device.type for p in student.teachers[0].model.parameters()} == {'cuda'}
    student.cpu()
    assert {p.device.type for p in student.teachers[0].model.parameters()} == {'cpu'}


@pytest.mark.parametrize('amp', [None, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('dtype', ['bf16', 'fp16', None])
def test_any_half_type_of_the_teacher_goes_with_any_of_the_student(teacher, dtype, amp):
    full = pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher)))['loss_luminet'].item()
    terms = [pairs.TERM, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))]
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), [dict(teacher, dtype=dtype), teacher], terms))
    with torch.autocast('cpu', dtype=amp, enabled=amp is not None):
        losses = pairs.step(student)
    pairs.total(student, losses).backward()
    assert losses['loss_luminet'].item() == pytest.approx(full, rel=0.3)
    # Whatever its dtype, the teacher sees the student's pixels as they are.
    assert all(link.pixels.identity for link in student.links)


@pytest.mark.parametrize('dtype', ['bf16', 'fp32'])
def test_dtype_sets_the_weights_and_keeps_the_loss_close(teacher, dtype):
    full = pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher)))['loss_luminet']
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(teacher, dtype=dtype)))
    loss = pairs.step(student)['loss_luminet']
    assert next(student.teachers[0].model.parameters()).dtype == dict(bf16=torch.bfloat16, fp32=torch.float32)[dtype]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(full.item(), rel=0.2)
    assert (loss == full) == (dtype == 'fp32')


def test_compile_compiles_backbone_and_neck_and_gives_the_same_loss(teacher):
    plain = pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher)))['loss_luminet']
    compiled = dict(teacher, compile=dict(backend='eager'))
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), compiled))
    assert pairs.step(student)['loss_luminet'].item() == pytest.approx(plain.item(), rel=1e-5)
    model = student.teachers[0].model
    assert model.backbone._compiled_call_impl is not None
    assert model.neck._compiled_call_impl is not None


def test_channels_last_changes_the_layout_and_not_the_loss(teacher):
    plain = pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher)))['loss_luminet']
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(teacher, channels_last=True)))
    pairs.step(student)
    seen = []
    student.teachers[0].model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert pairs.step(student)['loss_luminet'].item() == pytest.approx(plain.item(), rel=1e-4)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert not seen[0].is_contiguous()


def test_classes_overrides_the_names_of_the_checkpoint(teacher):
    made = Teacher.from_setting(dict(teacher, classes=['a', 'b', 'c']))
    made.build()
    assert made.classes == ('a', 'b', 'c')


@pytest.mark.parametrize(
    ('meta', 'expected'),
    [
        (dict(CLASSES=('x', 'y', 'z')), ('x', 'y', 'z')),
        (dict(dataset_meta=dict(CLASSES=('x', 'y', 'z'))), ('x', 'y', 'z')),
        ({}, ('from', 'the', 'config')),
        (None, ('from', 'the', 'config')),
    ],
)
def test_class_names_come_from_old_checkpoints_or_the_config(tmp_path, teacher, meta, expected):
    saved = torch.load(teacher['checkpoint'])
    torch.save(dict(saved, meta=meta), tmp_path / 'old.pth')
    dataset = dict(type='RepeatDataset', dataset=dict(metainfo=dict(classes=['from', 'the', 'config'])))
    path = config_file(tmp_path / 'c.py', model=teacher['config'], train_dataloader=dict(dataset=dataset))
    made = Teacher(path, str(tmp_path / 'old.pth'))
    made.build()
    assert made.classes == expected


def test_a_text_in_place_of_the_names_of_classes_is_refused(teacher):
    with pytest.raises(ValueError, match=r"write teacher.classes=\('thing0',\)"):
        Teacher(**teacher, classes='thing0')


def test_the_weights_of_a_list_of_initialisations_count(teacher):
    start = [dict(type='Normal', layer='Conv2d', std=0.1), dict(type='Pretrained', checkpoint=teacher['checkpoint'])]
    found = Teacher(dict(teacher['config'], init_cfg=start))
    found.build()
    assert found.checkpoint == teacher['checkpoint']


def test_a_config_whose_training_set_was_taken_out_names_no_class(tmp_path, teacher):
    saved = torch.load(teacher['checkpoint'])
    torch.save(saved['state_dict'], tmp_path / 'bare.pth')
    made = Teacher(
        config_file(tmp_path / 'c.py', model=teacher['config'], train_dataloader=None), tmp_path / 'bare.pth'
    )
    made.build()
    assert made.classes is None


def test_class_names_come_from_the_data_sets_own_class_at_last(tmp_path, teacher):
    saved = torch.load(teacher['checkpoint'])
    torch.save(saved['state_dict'], tmp_path / 'bare.pth')
    data = dict(dataset=dict(type='VOCDataset'))
    made = Teacher(
        config_file(tmp_path / 'c.py', model=teacher['config'], train_dataloader=data), tmp_path / 'bare.pth'
    )
    made.build()
    assert made.classes[:2] == ('aeroplane', 'bicycle')


def test_a_teacher_without_weights_is_refused(tmp_path, teacher):
    # `load_from` names the weights from which the teacher's own training started, not its result.
    path = config_file(tmp_path / 'c.py', model=teacher['config'], load_from=teacher['checkpoint'])
    with pytest.raises(ValueError, match=r"no weights: a random teacher teaches nothing.*checkpoint='"):
        Teacher(path).build()


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('configs/coco/luminet_r18-faster-rcnn_coco.py', 'no config configs/coco/.*luminet_r18-faster-rcnn-r101'),
        ('mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_cocoo.py', 'Similar configs.*: faster-rcnn_r101_fpn_1x_coco'),
        ('mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_cocoo', 'Similar configs.*: faster-rcnn_r101_fpn_1x_coco'),
        ('mmdett::faster_rcnn/x.py', 'package mmdett is not installed'),
    ],
)
def test_a_config_that_does_not_exist_names_the_nearest(config, message):
    with pytest.raises(FileNotFoundError, match=message):
        Teacher(config, 'x.pth').build()


def test_a_missing_checkpoint_names_its_path(teacher):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.pth'):
        Teacher(teacher['config'], 'nowhere.pth').build()


def test_a_truncated_checkpoint_says_so(tmp_path, teacher):
    path = tmp_path / 'cut.pth'
    with open(teacher['checkpoint'], 'rb') as whole:
        path.write_bytes(whole.read()[:5000])
    with pytest.raises(RuntimeError, match=r'cut\.pth.*truncated.*copy it again\. Change `checkpoint`'):
        Teacher(teacher['config'], str(path)).build()


@pytest.mark.parametrize(
    ('model', 'cause'),
    [
        (
            tiny.faster_rcnn(5, base_channels=16, neck_channels=24, fc_channels=48),
            r'4 class outputs.*the config 6',
        ),
        (tiny.faster_rcnn(base_channels=8, neck_channels=24, fc_channels=48), 'of another shape'),
        (
            tiny.faster_rcnn(base_channels=16, neck_channels=24, fc_channels=48)
            | dict(backbone=dict(type='ResNet', depth=34, base_channels=16, stem_channels=16, norm_eval=False)),
            'missing .*another backbone',
        ),
    ],
)
def test_a_checkpoint_of_another_architecture_stops_with_counts_names_and_cause(teacher, model, cause):
    with pytest.raises(RuntimeError, match=r'does not fit its config, which has \d+ weights: \d+ .*' + cause):
        Teacher(model, teacher['checkpoint']).build()


def test_a_distillation_wrappers_checkpoint_is_recognised(tmp_path, teacher):
    state = torch.load(teacher['checkpoint'])['state_dict']
    torch.save(dict(state_dict={f'architecture.{k}': v for k, v in state.items()}), tmp_path / 'w.pth')
    with pytest.raises(RuntimeError, match=r"export the plain student first.*key.removeprefix\('architecture.'\)"):
        Teacher(teacher['config'], str(tmp_path / 'w.pth')).build()


def test_another_frameworks_file_is_recognised(tmp_path, teacher):
    torch.save(dict(model=torch.load(teacher['checkpoint'])['state_dict'], epoch=1), tmp_path / 'tv.pth')
    with pytest.raises(
        RuntimeError, match="under the key 'model'; save only those.*Change `checkpoint` of the model's `teacher`"
    ):
        Teacher(teacher['config'], str(tmp_path / 'tv.pth')).build()


@pytest.mark.parametrize('setting', ['big.pth', dict(config='big.pth'), dict(config='big.pth', checkpoint='big.py')])
def test_a_checkpoint_where_the_config_belongs_is_told_where_it_goes(setting):
    with pytest.raises(ValueError, match=r"big.pth is a checkpoint.*dict\(config='.*', checkpoint='big.pth'\)"):
        Teacher.from_setting(setting).build()


def test_a_whole_config_as_the_model_is_told_so(teacher):
    with pytest.raises(ValueError, match=r'dict\(config=cfg.model'):
        Teacher.from_setting(dict(teacher, config=dict(model=teacher['config']))).build()


def test_a_config_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match='has no `model`'):
        Teacher(config_file(tmp_path / 'c.py', train_cfg={}), 'x.pth').build()


def test_a_module_prefix_of_data_parallel_is_dropped(tmp_path, teacher):
    state = torch.load(teacher['checkpoint'])['state_dict']
    torch.save({f'module.{k}': v for k, v in state.items()}, tmp_path / 'dp.pth')
    made = Teacher(teacher['config'], str(tmp_path / 'dp.pth'))
    made.build()
    assert made.built


def test_a_distilled_student_can_teach_in_turn(tmp_path, teacher):
    assistant = pairs.distilling(tiny.faster_rcnn(), teacher)
    second = pairs.save_teacher(tmp_path / 'assistant.pth', assistant)
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), second))
    assert pairs.step(detector)['loss_luminet'] > 0
    assert not detector.teachers[0].model.teachers[0].built


def test_a_dtype_that_the_device_cannot_do_is_named_with_the_setting(teacher):
    half = Teacher(**teacher, dtype='fp16')
    half.build()

    def unable(model, inputs):
        raise RuntimeError('"slow_conv2d_cpu" not implemented for \'Half\'')

    with pytest.raises(RuntimeError, match=r"cpu cannot run the teacher in teacher.dtype='fp16': .*Half.* Set another"):
        half.run(unable, torch.zeros(1, 3, 8, 8))


def test_statistics_of_the_batch_are_not_taken_in_parts():
    with pytest.raises(ValueError, match=r'teacher\.batch_size=2 splits the batch.* remove one of them'):
        Teacher('x.py', batch_size=2, batch_statistics=True)
