"""ClassMap: columns match by class name, background last; if they cannot, the error shows both lists of names."""

import pytest
import torch
from mmengine.logging import MessageHub

from luminet_det.distillation import running
from luminet_det.distillation.classes import ClassMap
from tests import pairs, tiny


def test_the_same_classes_pass_uncopied():
    logits = torch.rand(3, 4)
    classes = ClassMap(['a', 'b', 'c'], ['a', 'b', 'c'], 3, 3)
    assert classes(logits) is logits
    labels = torch.tensor([0, 2])
    assert classes.teacher_labels(labels) is labels


def test_a_permutation_and_a_superset_are_gathered_with_the_background_last():
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0, 9.0]])
    assert ClassMap('abcd', 'dbca', 4, 4)(logits).tolist() == [[3, 1, 2, 0, 9]]
    subset = ClassMap('abcd', 'ca', 4, 2)
    assert subset(logits).tolist() == [[2, 0, 9]]
    assert subset.teacher_labels(torch.tensor([1, 0])).tolist() == [0, 2]


def test_a_class_the_teacher_does_not_know_stops_with_both_lists():
    with pytest.raises(ValueError, match=r'1 of the student\'s classes: cow\.\n.*cat, dog\n.*dog, cow'):
        ClassMap(['cat', 'dog'], ['dog', 'cow'], 2, 2)


def test_unknown_names_match_by_position_only_where_the_numbers_agree():
    assert 'by position' in ClassMap(None, None, 2, 2).describe()
    with pytest.raises(ValueError, match=r'teacher has 3 classes, the student 2.*\n.*unknown\n.*unknown'):
        ClassMap(None, None, 3, 2)


def test_in_a_run_a_teacher_without_names_is_refused_however_many_it_has():
    with pytest.raises(ValueError, match=r'teacher: unknown\n  student: a, b\n.*classes=\['):
        ClassMap(None, ['a', 'b'], 2, 2)


@pytest.mark.parametrize('whose', ['teacher', 'student'])
def test_names_that_do_not_fit_the_head_are_refused(whose):
    names = dict(teacher=['a', 'b'], student=['a', 'b']) | {whose: ['a', 'b', 'c']}
    with pytest.raises(ValueError, match=f'The {whose} names 3 classes, but its head has 2: a, b, c'):
        ClassMap(names['teacher'], names['student'], 2, 2)


@pytest.fixture
def student_classes(monkeypatch):
    """A function that sets the class names that a training Runner would have published."""

    def set_classes(names):
        hub = MessageHub('test_classes')
        hub.update_info_dict(dict(loop_stage='train', iter=0, epoch=0, dataset_meta=dict(classes=names)))
        monkeypatch.setattr(running, 'training_hub', lambda: hub)

    return set_classes


def test_a_permuted_teacher_teaches_the_same_in_the_students_order(tmp_path, student_classes):
    order = [2, 0, 1]
    student_classes(tiny.classes())
    straight = pairs.save_teacher(tmp_path / 'straight.pth', tiny.faster_rcnn())
    saved = torch.load(straight['checkpoint'])
    state, head = saved['state_dict'], 'roi_head.bbox_head.'
    for kind in ('weight', 'bias'):
        state[f'{head}fc_cls.{kind}'] = state[f'{head}fc_cls.{kind}'][[*order, 3]]
        boxes = state[f'{head}fc_reg.{kind}'].unflatten(0, (3, 4))
        state[f'{head}fc_reg.{kind}'] = boxes[order].flatten(0, 1)
    saved['meta']['dataset_meta']['classes'] = tuple(tiny.classes()[i] for i in order)
    torch.save(saved, tmp_path / 'permuted.pth')
    terms = [pairs.TERM, dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss'))]
    losses = [
        pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(straight, checkpoint=str(path)), terms)))
        for path in (straight['checkpoint'], tmp_path / 'permuted.pth')
    ]
    for name in ('loss_luminet', 'loss_l1'):
        torch.testing.assert_close(losses[0][name], losses[1][name])


def test_a_teacher_with_other_classes_stops_the_run(tmp_path, student_classes):
    student_classes(tiny.classes())
    other = pairs.save_teacher(tmp_path / 'other.pth', tiny.faster_rcnn(), classes=('cat', 'dog', 'cow'))
    with pytest.raises(ValueError, match=r'cat, dog, cow\n.*thing0, thing1, thing2'):
        pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), other)))


def test_classes_of_one_name_are_matched_by_place_where_the_lists_are_the_same():
    names = ('crane', 'owl', 'crane')
    assert ClassMap(names, names, 3, 3).identity


def test_classes_of_one_name_in_another_order_are_refused():
    with pytest.raises(ValueError, match='Several classes of the teacher have the same name, crane'):
        ClassMap(('crane', 'owl', 'crane'), ('owl', 'crane', 'crane'), 3, 3)
