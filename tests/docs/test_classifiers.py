"""docs/classifiers.md and the README: five lines distil a classifier, and a loss works in one's own training loop."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch.nn.functional import cross_entropy

from tests import runs
from tests.classification import small
from tools import train

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'classifiers.md').read_text()


@pytest.mark.parametrize('page', ['README.md', 'docs/classifiers.md'])
def test_five_lines_distil_a_classifier(tmp_path, page):
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / page).read_text(), re.S)
    block = next(block for block in blocks if 'DistillClassifier' in block)
    assert len(block.strip().splitlines()) == 5
    student = small.runner_config(tmp_path, small.setting(), epochs=1)
    teacher = small.save_teacher(tmp_path / 'teacher.pth')
    Config(dict(model=teacher['config'])).dump(tmp_path / 'teacher.py')
    files = [f'./{student.name}', str(tmp_path / 'teacher.py'), teacher['checkpoint']]
    for setting, file in zip(('_base_ = ', 'config=', 'checkpoint='), files, strict=True):
        block, count = re.subn(rf"{setting}'[^']*'", f'{setting}{file!r}', block)
        assert count == 1
    (tmp_path / 'distilled.py').write_text(block)
    finished = runs.run(train.main, [tmp_path / 'distilled.py', '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    assert runs.scalars(tmp_path / 'work', 'loss_luminet')


def test_the_lines_for_a_loop_of_ones_own_give_a_loss_that_trains_the_student():
    (block,) = (block for block in re.findall(r'```python\n(.*?)```', PAGE, re.S) if 'luminet_det.losses' in block)
    student = torch.randn(64, 100, generator=torch.Generator().manual_seed(0), requires_grad=True)
    names = dict(
        cross_entropy=cross_entropy,
        student_logits=student,
        teacher_logits=torch.randn(64, 100, generator=torch.Generator().manual_seed(1)),
        labels=torch.arange(64),
    )
    exec(block, names)
    names['loss'].backward()
    alone = torch.autograd.grad(cross_entropy(student, names['labels']), student)[0]
    assert student.grad.isfinite().all()
    assert not torch.allclose(student.grad, alone)
