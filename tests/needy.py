"""Losses for tests, which keep the arguments that they are given."""

from torch import nn

from luminet_det.registry import MODELS


class NeedyLoss(nn.Module):
    """Keeps the arguments of its last call in `seen`; its value is 0 times the sum of the student's tensors."""

    loss_weight = 1.0
    takes_levels = True
    bridges = True

    def __init__(self, needs: tuple[str, ...] = (), loss_weight: float = 1.0) -> None:
        super().__init__()
        self.needs = tuple(needs)
        self.loss_weight = loss_weight

    def forward(self, student, teacher, **needs):
        self.seen = dict(student=student, teacher=teacher, **needs)
        return 0 * (sum(level.sum() for level in student) if isinstance(student, tuple) else student.sum())


@MODELS.register_module()
class NeedyMapsLoss(NeedyLoss):
    compares = 'maps'


@MODELS.register_module()
class NeedyRowsLoss(NeedyLoss):
    compares = 'logits'


@MODELS.register_module()
class NeedyEmbeddingsLoss(NeedyLoss):
    compares = 'embeddings'


@MODELS.register_module()
class NeedyViewsLoss(NeedyLoss):
    compares = 'logits'
    takes_views = True


def term(tap: str, kind: str, *needs: str, **options) -> dict:
    """A term on `tap` whose loss has these `needs`."""
    return dict(tap=tap, loss=dict(type=f'luminet_det.Needy{kind}Loss', needs=needs), **options)
