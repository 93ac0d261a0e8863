"""docs/classifiers.md: a loss in a training loop of one's own."""

import re
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

PAGE = (Path(__file__).parents[2] / 'docs' / 'classifiers.md').read_text()


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
