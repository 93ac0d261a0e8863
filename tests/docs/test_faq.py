"""docs/faq.md: it has ten questions at most, the README links it, and its two code blocks do what it says."""

import re
import sys
from pathlib import Path
from types import ModuleType

import torch
from mmdet.models.detectors import FasterRCNN
from mmdet.registry import MODELS
from mmengine.runner import load_checkpoint

from tests import pairs, tiny

DOCS = Path(__file__).parents[2] / 'docs'
PAGE = (DOCS / 'faq.md').read_text()
HEADS, OWN = re.findall(r'```python\n(.*?)```', PAGE, re.S)


def test_there_are_ten_questions_at_most_and_the_readme_links_them():
    assert len(re.findall(r'^## .*', PAGE, re.M)) <= 10
    readme = (DOCS.parent / 'README.md').read_text()
    assert '(docs/faq.md)' in readme
    assert '(docs/faq.md#which-detectors-run)' in readme
    assert '## Which detectors run?\n' in PAGE


def test_neck_and_heads_of_a_teacher_are_taken_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn())
    exec(HEADS, {})
    student, before = (pairs.build(tiny.faster_rcnn()) for _ in range(2))
    load_checkpoint(student, 'heads.pth')
    taught = torch.load('teacher.pth')['state_dict']
    for name, weight in student.state_dict().items():
        expected = before.state_dict() if name.startswith('backbone.') else taught
        assert torch.equal(weight, expected[name]), name


def test_a_class_of_ones_own_keeps_its_overrides(tmp_path, monkeypatch):
    class MyFasterRCNN(FasterRCNN):
        def loss(self, inputs, samples):
            return dict(super().loss(inputs, samples), loss_own=torch.ones(()))

    mine = ModuleType('mine')
    mine.MyFasterRCNN = MyFasterRCNN
    monkeypatch.setitem(sys.modules, 'mine', mine)
    try:
        exec(OWN, {'__name__': 'faq'})
        teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn())
        student = dict(tiny.faster_rcnn(), type='MyDistilledRCNN', teacher=teacher, distill=pairs.TERM)
        assert {'loss_own', 'loss_luminet', 'loss_cls'} <= pairs.step(pairs.build(student)).keys()
    finally:
        MODELS.module_dict.pop('MyDistilledRCNN', None)
