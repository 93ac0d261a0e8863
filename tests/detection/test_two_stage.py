"""DistillTwoStageDetector: trains as in plain mmdet but for its terms; what cannot be compared is refused."""

import copy
import functools
import pickle

import pytest
import torch
from mmengine import hub
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage

from luminet_det.detection.roi_taps import assigned_deltas
from luminet_det.losses import KDLoss
from tests import pairs, tiny

STUDENT = tiny.faster_rcnn()


def train(detector, steps=3):
    """A few SGD steps; returns the logged losses of each. The detector keeps the gradients of the last."""
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.05, momentum=0.9)
    history = []
    for i in range(steps):
        losses = pairs.step(detector, seed=i)
        loss, logged = detector.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(logged)
    return history


@pytest.fixture
def passed():
    """Records the number of rows in every forward pass of some modules: `rows = passed(backbone=module, ...)`."""

    def attach(**modules):
        rows = {name: [] for name in modules}
        for name, module in modules.items():
            module.register_forward_pre_hook(lambda _, args, name=name: rows[name].append(len(args[0])))
        return rows

    return attach


@pytest.mark.parametrize(
    'distill',
    [
        [],
        [dict(tap='roi_cls', loss=dict(pairs.LUMINET, loss_weight=0.0))],
        [dict(tap='roi_cls', loss=pairs.LUMINET, stop=0)],
    ],
    ids=['no_term', 'weight_zero', 'stopped'],
)
def test_weight_zero_is_plain_mmdet_bit_for_bit(teacher, distill):
    plain, silent = pairs.build(STUDENT), pairs.build(pairs.distilling(STUDENT, teacher, distill))
    for ours, theirs in zip(train(silent), train(plain), strict=True):
        assert {k: ours[k] for k in theirs} == theirs
        assert all(ours[k] == 0 for k in set(ours) - set(theirs))
    for (name, weight), other in zip(plain.named_parameters(), silent.parameters(), strict=True):
        assert torch.equal(weight, other), name
        assert torch.equal(weight.grad, other.grad), name
    assert not silent.teachers[0].built


def test_distillation_leaves_the_students_own_losses_as_they_are(teacher):
    plain, ours = (
        pairs.step(pairs.build(STUDENT)),
        pairs.step(pairs.build(pairs.distilling(STUDENT, teacher))),
    )
    for name, value in plain.items():
        assert torch.equal(torch.as_tensor(ours[name]), torch.as_tensor(value)), name


def test_distillation_changes_the_gradients(teacher):
    plain, ours = pairs.build(STUDENT), pairs.build(pairs.distilling(STUDENT, teacher))
    for detector in (plain, ours):
        pairs.total(detector, pairs.step(detector)).backward()
    assert not torch.equal(plain.backbone.conv1.weight.grad, ours.backbone.conv1.weight.grad)
    assert not torch.equal(plain.roi_head.bbox_head.fc_cls.weight.grad, ours.roi_head.bbox_head.fc_cls.weight.grad)


def test_teacher_and_student_answer_on_the_identical_rois_in_the_same_order(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    pairs.step(detector)
    student, teachers = [], []
    for seen, head in ((student, detector.roi_head), (teachers, detector.teachers[0].model.roi_head)):
        head.bbox_roi_extractor.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[1]))
    pairs.step(detector)
    assert len(student[0]) == 64
    # The teacher's box head takes half of the images at a time, here one, and counts them from 0 each time.
    assert [part[:, 0].unique().tolist() for part in teachers] == [[0], [0]]
    of_batch = [torch.cat([part[:, :1] + image, part[:, 1:]], dim=1) for image, part in enumerate(teachers)]
    assert torch.equal(student[0], torch.cat(of_batch))


@pytest.mark.parametrize('model', [tiny.faster_rcnn, pairs.mask_rcnn, pairs.cascade_rcnn])
def test_a_teacher_equal_to_the_student_has_nothing_to_teach(tmp_path, model):
    teacher = pairs.save_teacher(tmp_path / 'twin.pth', model())
    distill = [
        dict(tap='roi_cls', loss=pairs.LUMINET),
        dict(tap='roi_cls', loss=dict(type='luminet_det.KDLoss')),
        dict(tap='roi_cls', loss=dict(type='luminet_det.DKDLoss')),
        dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss')),
    ]
    detector = pairs.build(pairs.distilling(model(), teacher, distill)).eval()
    detector.load_state_dict(torch.load(teacher['checkpoint'])['state_dict'])
    losses = pairs.step(detector, with_mask=model is pairs.mask_rcnn)
    for name in ('loss_luminet', 'loss_kd', 'loss_dkd', 'loss_l1'):
        assert abs(losses[name]) < 1e-5, name
    assert losses['agreement'] == 1


def test_each_image_and_roi_passes_each_network_once_and_the_teachers_rpn_never(teacher, passed):
    detector = pairs.build(pairs.distilling(STUDENT, dict(teacher, batch_size=1)))
    pairs.step(detector)
    model = detector.teachers[0].model
    rows = passed(
        student_backbone=detector.backbone,
        student_box_head=detector.roi_head.bbox_head,
        teacher_backbone=model.backbone,
        teacher_box_head=model.roi_head.bbox_head,
        teacher_rpn=model.rpn_head,
    )
    pairs.step(detector)
    assert rows == dict(
        student_backbone=[2], student_box_head=[64], teacher_backbone=[1, 1], teacher_box_head=[32, 32], teacher_rpn=[]
    )


def test_the_teachers_batch_size_changes_its_passes_and_not_its_answer(teacher, passed):
    losses = {}
    for batch_size, passes in ((1, [1, 1]), (2, [2])):
        detector = pairs.build(pairs.distilling(STUDENT, dict(teacher, batch_size=batch_size)))
        pairs.step(detector)
        rows = passed(backbone=detector.teachers[0].model.backbone)
        losses[batch_size] = pairs.step(detector)['loss_luminet'].item()
        assert rows['backbone'] == passes
    assert losses[1] == pytest.approx(losses[2], rel=1e-5)


@pytest.mark.parametrize('teacher_model', [pairs.cascade_rcnn, tiny.faster_rcnn])
def test_a_cascade_asks_its_teacher_once_a_stage_and_averages_the_stages(tmp_path, passed, teacher_model):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', teacher_model(base_channels=16))
    detector = pairs.build(pairs.distilling(pairs.cascade_rcnn(), teacher))
    terms = []
    detector.terms[0].loss.register_forward_hook(lambda _, args, value: terms.append(value.detach()))
    pairs.step(detector)
    terms.clear()
    heads = detector.teachers[0].model.roi_head.bbox_head
    heads = heads if teacher_model is pairs.cascade_rcnn else [heads]
    rows = passed(**{f'stage{i}': head for i, head in enumerate(heads)})
    losses = pairs.step(detector)
    assert len(terms) == 3
    assert {name: sum(passes) for name, passes in rows.items()} == (
        dict(stage0=64, stage1=64, stage2=64) if len(heads) == 3 else dict(stage0=192)
    )
    assert losses['loss_luminet'].item() == pytest.approx(sum(t.item() for t in terms) / 3, rel=1e-6)


@pytest.mark.parametrize('student', [tiny.faster_rcnn, pairs.mask_rcnn, pairs.cascade_rcnn])
@pytest.mark.parametrize('teacher_model', [tiny.faster_rcnn, pairs.mask_rcnn, pairs.cascade_rcnn])
def test_any_two_stage_pair_trains(tmp_path, student, teacher_model):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', teacher_model(base_channels=16, neck_channels=24))
    detector = pairs.build(
        pairs.distilling(student(), teacher, [pairs.TERM, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))])
    )
    losses = pairs.step(detector, with_mask=student is pairs.mask_rcnn)
    pairs.total(detector, losses).backward()
    assert losses['loss_luminet'] > 0
    assert losses['loss_l1'] > 0
    heads = detector.roi_head.bbox_head
    heads = heads if isinstance(heads, torch.nn.ModuleList) else [heads]
    assert all(torch.isfinite(p.grad).all() for head in heads for p in head.parameters())


@pytest.mark.parametrize('student', [tiny.faster_rcnn, pairs.mask_rcnn, pairs.cascade_rcnn])
def test_the_checkpoint_is_the_stock_detectors(tmp_path, student):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn())
    plain, detector = pairs.build(student(), seed=5), pairs.build(pairs.distilling(student(), teacher))
    pairs.step(detector, with_mask=student is pairs.mask_rcnn)
    assert list(detector.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(detector.state_dict(), strict=True)
    detector.load_state_dict(plain.state_dict(), strict=True)
    assert sum(1 for _ in detector.parameters()) == sum(1 for _ in plain.parameters())
    assert sum(1 for _ in detector.modules()) == sum(1 for _ in plain.modules())


def test_inference_never_touches_the_teacher(tmp_path):
    gone = dict(config=str(tmp_path / 'gone.py'), checkpoint=str(tmp_path / 'gone.pth'))
    detector, plain = pairs.build(pairs.distilling(STUDENT, gone)).eval(), pairs.build(STUDENT).eval()
    inputs, samples = pairs.batch(detector)
    with torch.no_grad():
        ours, theirs = detector.predict(inputs, samples), plain.predict(inputs, samples)
    assert torch.equal(ours[0].pred_instances.bboxes, theirs[0].pred_instances.bboxes)
    with pytest.raises(FileNotFoundError, match=r'gone\.py'):
        pairs.step(detector)


def test_deepcopy_ema_and_pickle_neither_copy_nor_save_the_teacher(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    pairs.step(detector)
    assert copy.deepcopy(detector).teachers[0].model is detector.teachers[0].model
    average = ExponentialMovingAverage(detector)
    assert average.module.teachers[0].model is detector.teachers[0].model
    assert set(average.module.state_dict()) == set(detector.state_dict())
    average.update_parameters(detector)

    weights = sum(p.numel() * p.element_size() for p in detector.state_dict().values())
    pickled = pickle.dumps(detector)
    assert len(pickled) < weights * 1.5
    revived = pickle.loads(pickled)
    assert not revived.teachers[0].built
    revived.train()
    assert torch.equal(pairs.step(revived)['loss_luminet'], pairs.step(detector)['loss_luminet'])


def test_the_teacher_stays_in_eval_frozen_and_unchanged_while_the_student_trains(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    pairs.step(detector)
    model = detector.teachers[0].model
    before = copy.deepcopy(model.state_dict())
    train(detector)
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize('rois', ['all', 'foreground', 'balanced'])
def test_rois_chooses_the_rows(teacher, rois):
    detector = pairs.build(pairs.distilling(STUDENT, teacher, dict(pairs.TERM, rois=rois)))
    heard = []
    detector.terms[0].loss.register_forward_pre_hook(lambda _, args: heard.append(args))
    targets = []
    original = detector.terms[0].loss.forward

    def forward(student, teacher, target=None):
        targets.append(target)
        return original(student, teacher, target)

    detector.terms[0].loss.forward = forward
    pairs.step(detector)
    (labels,) = targets
    foreground = int((labels < 3).sum())
    assert foreground > 0
    if rois == 'all':
        assert len(labels) == 64
    else:
        assert len(labels) - foreground == (foreground if rois == 'balanced' else 0)
    assert heard[0][0].shape == heard[0][1].shape == (len(labels), 4)


def test_an_ensemble_is_averaged(tmp_path, teacher):
    second = pairs.save_teacher(tmp_path / 'second.pth', tiny.faster_rcnn(), seed=7)

    def teacher_rows(setting):
        detector = pairs.build(pairs.distilling(STUDENT, setting))
        rows = []
        detector.terms[0].loss.register_forward_pre_hook(lambda _, args: rows.append(args[1]))
        pairs.step(detector)
        return rows[0]

    mean = (teacher_rows(teacher) + teacher_rows(second)) / 2
    torch.testing.assert_close(teacher_rows([teacher, second]), mean)


def test_the_log_shows_raw_loss_share_and_agreement_without_adding_them_up(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher, dict(pairs.TERM, warmup=10)))
    losses = pairs.step(detector)
    total, logged = detector.parse_losses(losses)
    assert logged['raw_luminet'].item() == pytest.approx(logged['loss_luminet'].item() / 4 * 10, rel=1e-5)
    assert logged['share_luminet'].item() == pytest.approx((logged['loss_luminet'] / total).item(), rel=1e-5)
    assert 0 <= logged['agreement'] <= 1
    parts = sum(v for k, v in logged.items() if 'loss' in k and k != 'loss')
    assert total.item() == pytest.approx(parts.item(), rel=1e-5)


@pytest.mark.parametrize('student', [tiny.faster_rcnn, pairs.cascade_rcnn])
def test_the_gradient_share_is_that_of_the_step_before(teacher, student):
    distill = [dict(pairs.TERM, rois='foreground'), dict(tap='roi_cls', loss=dict(type='luminet_det.KDLoss'))]
    detector = pairs.build(pairs.distilling(student(), teacher, distill))
    samplers = detector.roi_head.bbox_sampler
    if isinstance(samplers, list):
        samplers[-1].num = 20  # stages of a cascade may sample different numbers of RoIs
    calls, bbox_loss = [], detector.roi_head.bbox_loss

    @functools.wraps(bbox_loss)
    def remembered(*args):
        results = bbox_loss(*args)
        calls.append(results['cls_score'])
        return results

    detector.roi_head.bbox_loss = remembered
    losses = pairs.step(detector)
    assert not any(name.startswith('gradient_share') for name in losses)
    own = sum(value for name, value in losses.items() if name.endswith('loss_cls') and 'rpn' not in name)
    parts = []
    for loss in (losses['loss_luminet'], losses['loss_kd'], own):
        gradients = torch.autograd.grad(loss, calls, retain_graph=True)
        parts.append(sum(g.square().sum() for g in gradients).sqrt().item())
    pairs.total(detector, losses).backward()
    logged = pairs.step(detector)
    for name, part in zip(('luminet', 'kd'), parts[:2], strict=True):
        assert logged[f'gradient_share_{name}'].item() == pytest.approx(part / sum(parts), rel=1e-4)
    assert not any(name.startswith('gradient_share') for name in pairs.step(detector)), 'no backward pass since'


def test_a_loss_class_with_loss_in_its_name_adds_nothing_to_the_total(teacher):
    class MyLossFunction(KDLoss):
        pass

    detector = pairs.build(pairs.distilling(STUDENT, teacher, dict(tap='roi_cls', loss=dict(type=MyLossFunction))))
    total, logged = detector.parse_losses(pairs.step(detector))
    kd = pairs.build(pairs.distilling(STUDENT, teacher, dict(tap='roi_cls', loss=dict(type=KDLoss))))
    expected, _ = kd.parse_losses(pairs.step(kd))
    assert total == expected
    assert 'raw_myfunction' in logged


def test_a_term_named_like_one_of_the_students_losses_is_refused(teacher):
    class ClsLoss(KDLoss):
        pass

    detector = pairs.build(pairs.distilling(STUDENT, teacher, dict(tap='roi_cls', loss=dict(type=ClsLoss))))
    with pytest.raises(ValueError, match='logged as loss_cls.*rename its loss class'):
        pairs.step(detector)


def test_a_head_with_other_logits_than_one_a_class_is_refused(tmp_path):
    seesaw = tiny.faster_rcnn()
    seesaw['roi_head']['bbox_head'] |= dict(loss_cls=dict(type='SeesawLoss', num_classes=3, p=0.8, q=2.0))
    setting = pairs.save_teacher(tmp_path / 'seesaw.pth', seesaw)
    with pytest.raises(ValueError, match='The teacher gives 5 logits for 3 classes and the background, as SeesawLoss'):
        pairs.step(pairs.build(pairs.distilling(STUDENT, setting)))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_amp_gives_finite_float32_losses_close_to_full_precision(teacher, dtype):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    full = pairs.step(detector)['loss_luminet']
    with torch.autocast('cpu', dtype=dtype):
        losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert losses['loss_luminet'].dtype == torch.float32
    assert losses['loss_luminet'].item() == pytest.approx(full.item(), rel=0.3)
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)


@pytest.mark.parametrize('rois', ['all', 'foreground', 'balanced'])
@pytest.mark.parametrize('loss', ['LumiNetLoss', 'KDLoss', 'DKDLoss'])
def test_images_without_boxes_just_work(teacher, rois, loss):
    terms = [
        dict(tap='roi_cls', rois=rois, loss=dict(type=f'luminet_det.{loss}')),
        dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss')),
    ]
    detector = pairs.build(pairs.distilling(STUDENT, teacher, terms))
    losses = pairs.step(detector, num_items=(0, 0))
    pairs.total(detector, losses).backward()
    assert losses['loss_l1'] == 0
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
    # The classifying layer's parameters take part, as DDP without find_unused_parameters needs.
    assert all(p.grad is not None for p in detector.roi_head.bbox_head.fc_cls.parameters())


def test_nan_in_the_teachers_logits_stops_the_run_and_names_the_images(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    pairs.step(detector)
    inputs, _ = pairs.batch(detector)
    inputs[1] = float('nan')
    run = detector.teachers[0].run
    detector.teachers[0].run = lambda forward, _: run(forward, inputs)
    with pytest.raises(FloatingPointError, match=r'not finite on 1 image\(s\): images/001\.png'):
        pairs.step(detector)


def test_nan_in_the_teachers_boxes_stops_the_run_too(teacher):
    terms = [pairs.TERM, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))]
    detector = pairs.build(pairs.distilling(STUDENT, teacher, terms))
    pairs.step(detector)
    torch.nn.init.constant_(detector.teachers[0].model.roi_head.bbox_head.fc_reg.bias, float('nan'))
    with pytest.raises(FloatingPointError, match=r'images/000\.png, images/001\.png'):
        pairs.step(detector)


def test_a_renamed_seam_fails_loudly(teacher):
    detector = pairs.build(pairs.distilling(STUDENT, teacher))
    bbox_loss = detector.roi_head.bbox_loss
    detector.roi_head.loss = lambda x, rpn, samples: dict(loss_cls=bbox_loss.__self__.bbox_head.fc_cls.bias.sum())
    with pytest.raises(RuntimeError, match='saw no call of the head'):
        pairs.step(detector)
    assert 'bbox_loss' not in detector.roi_head.__dict__


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(distill=dict(tap='roi_cls', loss=pairs.LUMINET, warmpu=5)), r"'warmpu'.*'warmup'"),
        (
            dict(distill=dict(tap='roi_class', loss=pairs.LUMINET)),
            r"'roi_class'; known taps: roi_cls, roi_reg, neck, backbone",
        ),
        (
            dict(distill=dict(tap='roi_cls', rois='fg', loss=pairs.LUMINET)),
            "rois='fg'.*all, foreground, balanced",
        ),
        (
            dict(distill=dict(tap='roi_cls', loss=dict(pairs.LUMINET, temperatur=2))),
            r"LumiNetLoss has no setting 'temperatur'.*Known: eps, loss_weight, sync, tau",
        ),
        (
            dict(distill=dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNet'))),
            'no loss.*luminet_det.LumiNetLoss',
        ),
        (dict(distill=dict(tap='roi_cls', loss=pairs.LUMINET, warmup='ten')), "warmup='ten'.*5 epochs"),
        (dict(distill=dict(loss=pairs.LUMINET)), "lacks 'tap'"),
        (dict(teacher=None), 'no teacher; add teacher='),
        (dict(teacher=dict(confg='x.py')), r"teacher has no setting 'confg'.*'config'"),
        (dict(teacher=dict(config='x.py', dtype='bfloat')), "dtype='bfloat'.*bf16"),
        (dict(teacher=7), 'teacher=7 is a int'),
        (dict(distill=dict(tap='roi_cls', loss=dict(type='LumiNetLoss'))), "Did you mean 'luminet_det.LumiNetLoss'"),
        (
            dict(distill=dict(tap='roi_cls', loss=dict(type='luminet_det.LuminetLos'))),
            "Did you mean 'luminet_det.LumiNetLoss'",
        ),
        (dict(distill=dict(tap='roi_reg', loss=pairs.LUMINET)), 'compares class logits.*mmdet.L1Loss'),
        (dict(distil=[]), r"model has no setting 'distil'. Did you mean 'distill'"),
        (
            dict(distill=dict(tap='roi_cls', loss=dict(pairs.LUMINET, temprature=2))),
            "LumiNetLoss has no setting 'temprature'. Did you mean 'tau'",
        ),
        (dict(distill=True), 'distill=True is not a list of terms'),
        (dict(distill='luminet_det.KDLoss'), "distill='luminet_det.KDLoss' is not a list of terms"),
        (dict(distill=dict(kd=dict(tap='roi_cls', loss=pairs.LUMINET))), 'a list of terms without names.*not kd=dict'),
        (
            dict(distill=dict(tap='roi_cls', loss=dict(pairs.LUMINET, use_sigmoid=True))),
            'takes a softmax .*use_sigmoid=False',
        ),
        (dict(distill=dict(tap='roi_reg', loss=dict(type='mmdet.GIoULoss'))), 'GIoULoss takes boxes as its target'),
        (dict(distill=dict(tap='roi_cls', loss=dict(type=dict))), 'it is not a torch.nn.Module'),
        (dict(distill=dict(tap='neck', levels=[7], loss=pairs.LUMINET)), 'compares class logits'),
        (dict(distill=dict(tap='neck', levels=['p2'], loss=dict(type='luminet_det.PKDLoss'))), 'a list of indices'),
    ],
)
def test_a_mistyped_setting_is_an_error_that_names_the_known_ones(teacher, change, message):
    model = pairs.distilling(STUDENT, teacher) | change
    with pytest.raises(ValueError, match=message):
        pairs.build(model)


def test_a_single_stage_student_or_teacher_is_refused_with_the_reason(teacher):
    retina = hub.get_config('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py').model
    retina.backbone.init_cfg = None
    retina.bbox_head.num_classes = 3
    with pytest.raises(ValueError, match='The student is a single-stage detector.*Cascade R-CNN'):
        pairs.build(pairs.distilling(retina.to_dict(), teacher))
    # The teacher is refused before its weights are fetched.
    detector = pairs.build(pairs.distilling(STUDENT, dict(config=retina.to_dict(), checkpoint='nowhere.pth')))
    with pytest.raises(ValueError, match='The teacher is a single-stage detector.*Cascade R-CNN'):
        pairs.step(detector)


def test_a_box_head_that_wants_more_than_rois_is_refused_for_rois_alone(teacher, monkeypatch):
    from mmdet.models.roi_heads import StandardRoIHead

    def wants_semantics(self, x, rois, semantic_feat):
        raise AssertionError

    monkeypatch.setattr(StandardRoIHead, '_bbox_forward', wants_semantics)
    with pytest.raises(ValueError, match="The student is a detector with StandardRoIHead.*or the tap 'neck'"):
        pairs.build(pairs.distilling(STUDENT, teacher))
    pairs.build(pairs.distilling(STUDENT, teacher, dict(tap='neck', loss=dict(type='luminet_det.PKDLoss'))))


def test_a_box_head_that_asks_each_class_by_itself_wants_a_loss_and_a_teacher_that_do(teacher, tmp_path):
    plain = tiny.faster_rcnn()
    plain['roi_head']['bbox_head']['loss_cls'] = dict(type='CrossEntropyLoss', use_sigmoid=True)
    with pytest.raises(ValueError, match=r'Shared2FCBBoxHead decides each class independently.*use_sigmoid=True'):
        pairs.build(pairs.distilling(plain, teacher))
    term = dict(tap='roi_cls', loss=dict(pairs.LUMINET, use_sigmoid=True))
    equal = pairs.save_teacher(tmp_path / 'sigmoids.pth', plain)
    assert pairs.step(pairs.build(pairs.distilling(plain, equal, term)))['loss_luminet'] > 0
    with pytest.raises(ValueError, match="stand for sigmoids, those of the teacher's for a softmax"):
        pairs.step(pairs.build(pairs.distilling(plain, teacher, term)))
    fcfd = dict(tap='neck', loss=dict(type='luminet_det.FCFDDetLoss'))
    with pytest.raises(ValueError, match=r"FCFDDetLoss has no such form; write cls_weight=0 in loss=dict\(type='FCFD"):
        pairs.build(pairs.distilling(plain, equal, fcfd))
    fcfd['loss']['cls_weight'] = 0.0
    assert pairs.step(pairs.build(pairs.distilling(plain, equal, fcfd)))['loss_fcfddet'] > 0
    with pytest.raises(ValueError, match="stand for a softmax, those of the teacher's for sigmoids"):
        pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), equal)))


def test_the_deltas_of_a_row_are_those_of_its_class():
    of_three_classes = torch.arange(24.0).view(2, 12)
    assert assigned_deltas(of_three_classes, torch.tensor([2, 0])).tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]


def test_boxes_are_compared_where_classes_have_other_columns(tmp_path):
    seesaw = tiny.faster_rcnn()
    seesaw['roi_head']['bbox_head'] |= dict(loss_cls=dict(type='SeesawLoss', num_classes=3, p=0.8, q=2.0))
    teacher = pairs.save_teacher(tmp_path / 'seesaw.pth', seesaw)
    term = dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))
    losses = pairs.step(pairs.build(pairs.distilling(seesaw, teacher, term)))
    assert losses['loss_l1'] > 0
    assert 'agreement' not in losses, 'no class logits are compared'


def test_another_run_of_the_same_model_is_wired_to_its_own_classes(tmp_path):
    teacher = pairs.save_teacher(tmp_path / 't.pth', tiny.faster_rcnn(), classes=('a', 'b', 'c'))
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher))
    columns = []
    for number, classes in enumerate((('a', 'b', 'c'), ('c', 'a', 'b'))):
        run = MessageHub.get_instance(f'{tmp_path}-{number}')
        run.update_info('loop_stage', 'train')
        run.update_info('dataset_meta', dict(classes=classes))
        pairs.step(detector)
        columns.append(detector.links[0].classes.columns_on(torch.device('cpu')).tolist())
        run.update_info('loop_stage', None)
    assert columns == [[0, 1, 2, 3], [2, 0, 1, 3]]


@pytest.mark.parametrize('batch_statistics', [False, True])
def test_the_norms_of_a_teachers_head_take_the_batchs_statistics_where_they_shall(tmp_path, batch_statistics):
    model = tiny.faster_rcnn()
    model['roi_head']['bbox_head'] |= dict(
        type='Shared4Conv1FCBBoxHead', conv_out_channels=16, norm_cfg=dict(type='BN')
    )
    teacher = dict(pairs.save_teacher(tmp_path / 't.pth', model), batch_statistics=batch_statistics)
    detector = pairs.build(pairs.distilling(model, teacher))
    detector.start()
    seen = []
    norm = detector.teachers[0].model.roi_head.bbox_head.shared_convs[0].bn
    norm.register_forward_pre_hook(lambda norm, args: seen.append((norm.running_mean is None, len(args[0]))))
    pairs.step(detector)
    # With batch statistics the head takes all RoIs at once, otherwise those of one image at a time.
    rois = sum(rows for _, rows in seen)
    assert seen == ([(True, rois)] if batch_statistics else [(False, seen[0][1]), (False, seen[1][1])])


def test_a_box_head_without_deltas_is_refused_on_their_tap(teacher):
    plain = tiny.faster_rcnn()
    plain['roi_head']['bbox_head']['with_reg'] = False
    student = pairs.build(pairs.distilling(plain, teacher, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))))
    with pytest.raises(ValueError, match="The student's Shared2FCBBoxHead gives no box deltas.*remove that term"):
        pairs.step(student)
