"""DistillSingleStageDetector: trains as in plain mmdet but for its terms; what cannot be compared is refused."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch.nn.functional import binary_cross_entropy_with_logits

from luminet_det.detection.dense_taps import DenseRows, flattened, recorded
from luminet_det.losses import perception
from luminet_det.registry import MODELS
from tests import dense, methods, pairs, tiny

LUMINET = dict(pairs.LUMINET, use_sigmoid=True)
KD = dict(type='luminet_det.KDLoss', use_sigmoid=True)
TERM = dict(tap='dense_cls', rows='all', loss=LUMINET)
KINDS = list(dense.CONFIGS)


def distilling(student: dict, teacher, distill=TERM) -> dict:
    return dict(copy.deepcopy(student), type='luminet_det.DistillSingleStageDetector', teacher=teacher, distill=distill)


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    """A function from a kind of detector to a `teacher=` setting: wider than the student, for the tiny classes."""
    folder, made = tmp_path_factory.mktemp('teachers'), {}

    def make(kind: str) -> dict:
        if kind not in made:
            made[kind] = save_teacher(folder / f'{kind}.pth', dense.model(kind, channels=24))
        return made[kind]

    return make


def save_teacher(path, model: dict, classes: tuple[str, ...] | None = None, seed: int = 1) -> dict:
    """Write a random teacher whose logits are as far apart as a trained one's; returns its `teacher=` setting."""
    setting = pairs.save_teacher(path, model, seed, classes)
    checkpoint = torch.load(path)
    for name, weight in checkpoint['state_dict'].items():
        if name.startswith('bbox_head') and 'cls' in name and weight.dim() == 4 and weight.shape[0] % 3 == 0:
            torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(seed))
    torch.save(checkpoint, path)
    return setting


def rows_of(detector, seed=0, term=0, **batch):
    """Run a step; returns the (student, teacher, target) that the loss of a term gets, and the step's losses."""
    heard = []
    loss = detector.terms[term].loss
    forward = loss.forward

    def listening(student, teacher, target=None):
        heard.append((student, teacher, target))
        return forward(student, teacher, target)

    loss.forward = listening
    losses = pairs.step(detector, seed, **batch)
    del loss.forward
    return heard[0], losses


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_distils(teachers, kind):
    detector = pairs.build(distilling(dense.model(kind), teachers(kind)))
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert losses['loss_luminet'] > 0
    assert 0 < losses['share_luminet'] < 1
    assert 0 <= losses['agreement'] <= 1
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
    assert 0 < pairs.step(detector)['gradient_share_luminet'] < 1


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('distill', [[], [dict(TERM, loss=dict(LUMINET, loss_weight=0.0))]], ids=['none', 'zero'])
def test_weight_zero_is_plain_mmdet_bit_for_bit(teachers, kind, distill):
    plain, silent = (
        pairs.build(m) for m in (dense.model(kind), distilling(dense.model(kind), teachers(kind), distill))
    )
    for detector in (plain, silent):
        optimizer = torch.optim.SGD(detector.parameters(), lr=0.05, momentum=0.9)
        detector.history = []
        for i in range(2):
            loss, logged = detector.parse_losses(pairs.step(detector, seed=i))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            detector.history.append(logged)
    for ours, theirs in zip(silent.history, plain.history, strict=True):
        assert {k: ours[k] for k in theirs} == theirs
        assert all(ours[k] == 0 for k in set(ours) - set(theirs))
    for (name, weight), other in zip(plain.named_parameters(), silent.parameters(), strict=True):
        assert torch.equal(weight, other), name
        assert weight.grad is other.grad is None or torch.equal(weight.grad, other.grad), name
    assert not silent.teachers[0].built


@pytest.mark.parametrize('kind', KINDS)
def test_distillation_leaves_the_students_own_losses_as_they_are(teachers, kind):
    plain = pairs.step(pairs.build(dense.model(kind)))
    ours = pairs.step(pairs.build(distilling(dense.model(kind), teachers(kind))))
    for name, values in plain.items():
        for one, other in zip(*(v if isinstance(v, (list, tuple)) else [v] for v in (values, ours[name])), strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other)), name


@pytest.mark.parametrize('kind', KINDS)
def test_rows_are_the_logits_of_the_same_priors_in_both_networks(teachers, kind):
    """Each network runs by itself, and its rows are taken by image, level, position and anchor."""
    detector = pairs.build(distilling(dense.model(kind), teachers(kind))).eval()
    (student, teacher, _), _ = rows_of(detector)
    inputs, _ = pairs.batch(detector)
    with torch.no_grad():
        for model, rows in ((detector, student), (detector.teachers[0].model, teacher)):
            levels = model.bbox_head(model.extract_feat(inputs))[0]
            by_hand = []
            for image in range(len(inputs)):
                for level in levels:
                    anchors, (height, width) = level.shape[1] // 3, level.shape[2:]
                    for y in range(height):
                        for x in range(width):
                            by_hand += [level[image, 3 * a : 3 * a + 3, y, x] for a in range(anchors)]
            torch.testing.assert_close(rows, torch.stack(by_hand))


@pytest.mark.parametrize('kind', KINDS)
def test_labels_are_those_that_the_students_own_loss_is_given(teachers, kind):
    detector = pairs.build(distilling(dense.model(kind), teachers(kind)))
    seen = []
    loss_cls = detector.bbox_head.loss_cls
    loss_cls.register_forward_pre_hook(lambda _, args: seen.append(args))
    (student, _, labels), _ = rows_of(detector)
    # The own loss gets one level of all images at a time; rows are ordered by image first.
    targets = torch.cat([args[1][0] if isinstance(args[1], tuple) else args[1] for args in seen])
    scores = torch.cat([args[0] for args in seen])
    assert (labels < 3).sum() > 0
    order = {tuple(score): i for i, score in enumerate(scores.tolist())}
    for score, label in zip(student.tolist(), labels.tolist(), strict=True):
        if label < 3:
            assert targets[order[tuple(score)]] == label


def test_the_loss_is_the_sum_of_binary_divergences_between_perceptions_over_all_rows(teachers):
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet')))
    (student, teacher, _), losses = rows_of(detector)
    student, teacher = (perception(logits.detach().double(), eps=1.0) for logits in (student, teacher))
    given, entropy = (
        binary_cross_entropy_with_logits(logits, teacher.sigmoid(), reduction='sum') for logits in (student, teacher)
    )
    assert losses['raw_luminet'].item() == pytest.approx(((given - entropy) / len(student)).item(), rel=1e-4)


def test_the_default_is_the_teachers_hundred_surest_rows_of_each_image(teachers):
    terms = [dict(tap='dense_cls', loss=LUMINET), dict(TERM, rows=100)]
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet'), terms))
    default, hundred = (rows_of(detector, term=i)[0] for i in range(2))
    assert len(default[0]) == 2 * 100
    assert torch.equal(default[0], hundred[0])


def test_rows_chooses_the_priors(teachers):
    terms = [dict(TERM, rows=rows) for rows in ('all', 'foreground', 5)]
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet'), terms))
    everything, foreground, surest = (rows_of(detector, term=i)[0] for i in range(3))
    student, teacher, labels = everything
    is_foreground = labels < 3
    assert 0 < is_foreground.sum() < len(labels)
    assert torch.equal(foreground[0], student[is_foreground])
    assert torch.equal(foreground[1], teacher[is_foreground])
    assert torch.equal(foreground[2], labels[is_foreground])
    assert len(surest[0]) == 2 * 5
    for image, rows in enumerate(surest[1].split(5)):
        best = teacher.chunk(2)[image].amax(1).sort(descending=True).values[:5]
        torch.testing.assert_close(rows.amax(1), best)


@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
def test_a_teacher_equal_to_the_student_has_nothing_to_teach(tmp_path, kind):
    setting = save_teacher(tmp_path / 'twin.pth', dense.model(kind))
    terms = [TERM, dict(TERM, loss=KD), dict(tap='neck', loss=dict(type='luminet_det.PKDLoss'))]
    detector = pairs.build(distilling(dense.model(kind), setting, terms)).eval()
    detector.load_state_dict(torch.load(setting['checkpoint'])['state_dict'])
    losses = pairs.step(detector)
    assert all(abs(losses[name]) < 1e-5 for name in ('loss_luminet', 'loss_kd', 'loss_pkd'))
    assert losses['agreement'] == 1


def test_each_network_runs_once_and_the_teacher_makes_no_targets(teachers):
    detector = pairs.build(distilling(dense.model('retinanet'), dict(teachers('retinanet'), batch_size=1)))
    pairs.step(detector)
    model, passes = detector.teachers[0].model, []
    for name, module in (('student', detector), ('teacher', model)):
        for part in ('backbone', 'neck', 'bbox_head'):
            getattr(module, part).register_forward_pre_hook(
                lambda _, args, key=f'{name} {part}': passes.append(
                    (key, len(args[0] if torch.is_tensor(args[0]) else args[0][0]))
                )
            )
    model.bbox_head.get_targets = model.bbox_head.loss_by_feat = None
    pairs.step(detector)
    parts = ('backbone', 'neck', 'bbox_head')
    assert sorted(passes) == sorted([(f'student {p}', 2) for p in parts] + [(f'teacher {p}', 1) for p in parts] * 2)


@pytest.mark.parametrize('kind', KINDS)
def test_the_checkpoint_is_the_stock_detectors(teachers, kind):
    plain, detector = pairs.build(dense.model(kind), seed=5), pairs.build(distilling(dense.model(kind), teachers(kind)))
    pairs.step(detector)
    assert list(detector.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(detector.state_dict(), strict=True)
    assert sum(1 for _ in detector.modules()) == sum(1 for _ in plain.modules())


def test_inference_never_touches_the_teacher(tmp_path):
    gone = dict(config=str(tmp_path / 'gone.py'), checkpoint=str(tmp_path / 'gone.pth'))
    detector, plain = pairs.build(distilling(dense.model('gfl'), gone)).eval(), pairs.build(dense.model('gfl')).eval()
    inputs, samples = pairs.batch(detector)
    for sample in samples:
        sample.set_metainfo(dict(scale_factor=(1.0, 1.0)))
    with torch.no_grad():
        ours, theirs = detector.predict(inputs, samples), plain.predict(inputs, samples)
    assert torch.equal(ours[0].pred_instances.bboxes, theirs[0].pred_instances.bboxes)


def test_deepcopy_ema_and_pickle_neither_copy_nor_save_the_teacher(teachers):
    detector = pairs.build(distilling(dense.model('atss'), teachers('atss')))
    pairs.step(detector)
    copied = copy.deepcopy(detector)
    assert copied.teachers[0].model is detector.teachers[0].model
    assert copied.links[0].head is detector.teachers[0].model.bbox_head
    average = ExponentialMovingAverage(detector)
    assert set(average.module.state_dict()) == set(detector.state_dict())
    pickled = pickle.dumps(detector)
    fresh = pickle.dumps(pairs.build(distilling(dense.model('atss'), teachers('atss'))))
    assert len(pickled) < len(fresh) * 1.02
    revived = pickle.loads(pickled).train()
    assert torch.equal(pairs.step(revived)['loss_luminet'], pairs.step(detector)['loss_luminet'])


def test_images_without_boxes_just_work(teachers):
    terms = [dict(TERM, rows=rows, loss=loss) for rows in ('all', 'foreground', 7) for loss in (LUMINET, KD)]
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet'), terms))
    losses = pairs.step(detector, num_items=(0, 0))
    pairs.total(detector, losses).backward()
    assert losses['agreement'] == 0
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())


@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_amp_gives_finite_float32_losses_close_to_full_precision(teachers, kind, dtype):
    detector = pairs.build(distilling(dense.model(kind), teachers(kind)))
    full = pairs.step(detector)['loss_luminet']
    with torch.autocast('cpu', dtype=dtype):
        losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert losses['loss_luminet'].dtype == torch.float32
    assert losses['loss_luminet'].item() == pytest.approx(full.item(), rel=0.3)
    # Only of the head: oneDNN's bf16 gradient of a strided 1x1 map is not always finite, in plain mmdet either.
    assert all(torch.isfinite(p.grad).all() for p in detector.bbox_head.parameters())


def test_classes_match_by_name_without_a_background_column(tmp_path, monkeypatch):
    names = ('thing2', 'other', 'thing0', 'thing1')
    setting = save_teacher(tmp_path / 'four.pth', dense.model('atss', num_classes=4), names)
    detector = pairs.build(distilling(dense.model('atss'), setting)).eval()
    monkeypatch.setattr(type(detector), 'student_classes', lambda self: tiny.classes())
    (_, teacher, _), _ = rows_of(detector)
    inputs, _ = pairs.batch(detector)
    model = detector.teachers[0].model
    with torch.no_grad():
        logits = flattened(model.bbox_head(model.extract_feat(inputs))[0], 4).flatten(0, 1)
    torch.testing.assert_close(teacher, logits[:, [2, 3, 0]])


def test_an_ensemble_is_averaged(tmp_path, teachers):
    other = save_teacher(tmp_path / 'other.pth', dense.model('fcos', channels=32), seed=7)
    settings = [teachers('fcos'), other]
    answers = [
        rows_of(pairs.build(distilling(dense.model('fcos'), teacher)))[0][1] for teacher in (*settings, settings)
    ]
    torch.testing.assert_close(answers[2], (answers[0] + answers[1]) / 2)


def test_a_teacher_that_pads_otherwise_answers_at_the_same_priors(tmp_path):
    student, model = dense.model('fcos'), dense.model('fcos', channels=24)
    for divisor, width in ((1, 96), (64, 128)):
        model['data_preprocessor']['pad_size_divisor'] = divisor
        setting = save_teacher(tmp_path / f'{divisor}.pth', model)
        detector = pairs.build(distilling(student, setting)).eval()
        inputs, samples = pairs.batch(detector)
        wide = torch.nn.functional.pad(inputs, (0, 32))
        detector.loss(inputs[..., :32], samples)
        seen = []
        detector.teachers[0].model.backbone.register_forward_pre_hook(
            lambda _, args, seen=seen: seen.append(args[0].shape)
        )
        losses = detector.loss(wide, samples)
        assert losses['loss_luminet'] > 0
        assert seen[0][-1] == width


def test_nan_in_the_teachers_logits_stops_the_run_and_names_the_images(teachers):
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet')))
    pairs.step(detector)
    inputs, _ = pairs.batch(detector)
    inputs[1] = float('nan')
    run = detector.teachers[0].run
    detector.teachers[0].run = lambda forward, _: run(forward, inputs)
    with pytest.raises(FloatingPointError, match=r'not finite on 1 image\(s\): images/001\.png'):
        pairs.step(detector)


def test_rtmdets_batch_norm_is_synced_if_asked_for(monkeypatch, teachers):
    monkeypatch.setattr('luminet_det.detection.single_stage.get_world_size', lambda: 2)
    for use, kind in ((True, torch.nn.SyncBatchNorm), (False, torch.nn.BatchNorm2d)):
        detector = pairs.build(dict(distilling(dense.model('rtmdet'), teachers('rtmdet')), use_syncbn=use))
        norms = [m for m in detector.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        assert norms
        assert all(type(norm) is kind for norm in norms)


# What is refused, and how


def test_a_head_that_asks_each_class_by_itself_wants_a_loss_that_does(teachers):
    model = distilling(dense.model('gfl'), teachers('gfl'), dict(tap='dense_cls', loss=pairs.LUMINET))
    with pytest.raises(ValueError, match=r"GFLHead decides each class independently.*LumiNetLoss', use_sigmoid=True"):
        pairs.build(model)
    model['distill'] = dict(tap='dense_cls', loss=dict(type='luminet_det.DKDLoss'))
    with pytest.raises(ValueError, match='DKDLoss has no such form; use KDLoss or LumiNetLoss'):
        pairs.build(model)


def softmax(**widths):
    """A RetinaNet with a softmax over its classes and a column for the background."""
    model = dense.model('retinanet', **widths)
    model['bbox_head']['loss_cls'] = dict(type='CrossEntropyLoss', use_sigmoid=False)
    return model


def test_the_surest_rows_of_a_softmax_are_those_of_the_highest_probability():
    labels = torch.full((1, 2), 1)
    call = DenseRows((torch.zeros(1, 2, 1, 2),), labels, num_columns=2, num_classes=1)
    # The first row has the higher logit for the class, but is most likely background, unlike the second.
    teacher = torch.tensor([[[5.0, 9.0], [3.0, 0.0]]])
    assert call.rows(1, teacher).tolist() == [1]
    # Where classes are decided independently, a row's highest logit alone counts.
    teacher = torch.tensor([[[5.0, 5.0], [3.0, 0.0]]])
    assert replace(call, num_classes=2).rows(1, teacher).tolist() == [0]


def test_a_head_with_a_softmax_distils_with_its_background_column(tmp_path):
    setting = save_teacher(tmp_path / 'softmax.pth', softmax(channels=24))
    detector = pairs.build(distilling(softmax(), setting, dict(tap='dense_cls', loss=pairs.LUMINET)))
    (student, _, _), losses = rows_of(detector)
    assert student.shape[1] == 4
    assert losses['loss_luminet'] > 0
    with pytest.raises(ValueError, match='takes a softmax over the classes.*use_sigmoid=False'):
        pairs.build(distilling(softmax(), setting, TERM))
    sigmoid = save_teacher(tmp_path / 'sigmoid.pth', dense.model('retinanet'))
    with pytest.raises(
        ValueError, match=r'student: RetinaHead.*softmax with background\n.*teacher: RetinaHead.*sigmoid'
    ):
        pairs.step(pairs.build(distilling(softmax(), sigmoid, dict(tap='dense_cls', loss=pairs.LUMINET))))


@pytest.mark.parametrize('rows', [100, 'all', 'foreground'])
def test_a_head_with_a_softmax_takes_every_loss_on_rows(tmp_path, rows):
    terms = [dict(method.term, tap='dense_cls', rows=rows) for method in methods.OF_ROWS]
    setting = save_teacher(tmp_path / 'softmax.pth', softmax(channels=24))
    detector = pairs.build(distilling(softmax(), setting, terms))
    losses = pairs.step(detector)
    parameters = list(detector.bbox_head.retina_cls.parameters())
    assert len(detector.term_names) == len(terms)
    for name in detector.term_names:
        loss = losses[f'loss_{name}']
        assert loss.isfinite(), name
        assert loss > 0, name
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        assert all(gradient.isfinite().all() for gradient in gradients), name
        assert any(gradient.any() for gradient in gradients), name


def test_other_anchors_strides_or_levels_are_refused_with_both_lists(tmp_path, teachers):
    student = dense.model('retinanet')
    with pytest.raises(
        ValueError, match=r'student: RetinaHead, 5 levels.*9 priors(.|\n)*ATSSHead.*1 priors(.|\n)*tap neck'
    ):
        pairs.step(pairs.build(distilling(student, teachers('atss'))))
    with pytest.raises(
        ValueError, match='student: FCOSHead, 5 levels of stride 8, 16, 32, 64, 128(.|\n)*RTMDet.*3 levels'
    ):
        pairs.step(pairs.build(distilling(dense.model('fcos'), teachers('rtmdet'))))
    larger = dense.model('retinanet')
    larger['bbox_head']['anchor_generator']['octave_base_scale'] = 8
    setting = save_teacher(tmp_path / 'larger.pth', larger)
    with pytest.raises(ValueError, match=r'student.*first \(-22(.|\n)*teacher.*first \(-4'):
        pairs.step(pairs.build(distilling(student, setting)))


def test_detectors_of_another_kind_are_refused_with_the_tap_that_takes_them(teacher, teachers):
    detector = pairs.build(distilling(dense.model('retinanet'), dict(teacher, checkpoint='nowhere.pth')))
    with pytest.raises(ValueError, match="The teacher is a FasterRCNN.*use the tap 'neck'"):
        pairs.step(detector)
    with pytest.raises(ValueError, match="type='luminet_det.DistillTwoStageDetector'"):
        pairs.build(distilling(tiny.faster_rcnn(), teacher))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(distill=dict(TERM, rows='fg')), "rows='fg' of tap 'dense_cls'.*100, all, foreground, a number above 0"),
        (dict(distill=dict(TERM, rows=0)), 'rows=0 of tap'),
        (dict(distill=dict(TERM, rows=True)), 'rows=True of tap'),
        (dict(distill=dict(tap='roi_cls', loss=LUMINET)), "'roi_cls'; known taps: dense_cls, neck, backbone"),
        (dict(distill=dict(tap='neck', loss=LUMINET)), "compares class logits.*'neck' gives feature maps.*FitNetLoss"),
        (dict(distill=dict(TERM, loss=dict(type='luminet_det.PKDLoss'))), 'compares feature maps.*gives class logits'),
        (dict(distil=[]), r"model has no setting 'distil'. Did you mean 'distill'"),
    ],
)
def test_a_mistyped_setting_is_an_error_that_names_the_known_ones(teachers, change, message):
    with pytest.raises(ValueError, match=message):
        pairs.build(distilling(dense.model('retinanet'), teachers('retinanet')) | change)


def test_a_head_without_priors_is_refused_for_the_dense_tap_alone(teachers):
    student = dense.model('fcos')
    student['bbox_head'] = dict(type='YOLOXHead', num_classes=3, in_channels=16, feat_channels=16)
    with pytest.raises(ValueError, match='The student is a DistillSingleStageDetector with YOLOXHead.*RetinaNet'):
        pairs.build(distilling(student, teachers('fcos')))
    pairs.build(distilling(student, teachers('fcos'), dict(tap='neck', loss=dict(type='luminet_det.PKDLoss'))))


@pytest.mark.parametrize(
    'labels',
    [[torch.zeros(1, 5, dtype=torch.int64)], [torch.zeros(5, dtype=torch.int64)] * 2, [torch.zeros(2, 5)], None],
)
def test_labels_that_are_not_one_a_prior_level_by_level_are_refused(labels):
    """The batch has two images, and levels of four positions and of one; PAA, for example, has a tensor per image."""

    class Head(torch.nn.Module):
        num_classes = cls_out_channels = 3

        def get_targets(self):
            return (labels, [torch.zeros(1, 4)])

        def loss_by_feat(self, cls_scores):
            if labels is not None:
                self.get_targets()

    head = Head()
    with recorded(head), pytest.raises(ValueError, match="Head does not assign labels to priors.*tap 'neck'"):
        head.loss_by_feat([torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 1, 1)])
    assert 'get_targets' not in vars(head)


@pytest.mark.parametrize('rows', ['all', 'foreground', 20])
def test_networks_that_round_sizes_otherwise_are_refused(teachers, rows):
    detector = pairs.build(distilling(dense.model('retinanet'), teachers('retinanet'), dict(TERM, rows=rows)))
    pairs.step(detector)
    link = detector.links[0]
    answer_head = link.answer_head

    def shorter(*args):
        (answer,) = answer_head(*args)
        answer.cls_score = answer.cls_score[:, :-9]
        return [answer]

    link.answer_head = shorter
    with pytest.raises(ValueError, match=r'student has \d+ priors \(levels of 8x8, .*teacher \d+.*pad_size_divisor'):
        pairs.step(detector)


def test_a_head_that_gives_probabilities_is_refused_on_its_tap(teachers):
    """TOOD's head is one: its own loss takes the outputs as activated."""
    model = dense.model('gfl')
    model['bbox_head']['loss_cls'] = dict(type='QualityFocalLoss', use_sigmoid=True, activated=True)
    with pytest.raises(ValueError, match="GFLHead gives probabilities.*'dense_cls' compares logits.*'neck'"):
        pairs.build(distilling(model, teachers('gfl')))


@pytest.mark.parametrize('key', ['num_queries', 'decoder', 'mask_head', 'semantic_head', 'language_model', 'detector'])
@pytest.mark.parametrize('kind', ['DistillSingleStageDetector', 'DistillTwoStageDetector'])
def test_transformers_and_segmentors_without_boxes_are_told_that_they_cannot_be_students(kind, key):
    with pytest.raises(ValueError, match=f"The student has a {key}: .* can be a teacher on the tap 'neck'"):
        MODELS.build(dict(type=f'luminet_det.{kind}', backbone=dict(), bbox_head=dict(), **{key: 3}))
