"""KD: the teacher's softened class probabilities as targets."""

from torch import Tensor

from .lskd import standardized_rows
from .rows import ClassRowLoss, sigmoid_kl, softmax_kl
from .settings import flag


class KDLoss(ClassRowLoss):
    """Classical knowledge distillation on logits.

    ``loss_weight * tau**2 / K * sum_k KL(softmax(teacher_k / tau) || softmax(student_k / tau))``

    The factor `tau**2` keeps the gradient's size when `tau` changes. CIFAR-100 tables use `tau=4` and
    `loss_weight=0.9` with 0.1 times the cross-entropy. With `use_sigmoid=True` the KL is the sum of the binary KLs of
    all classes.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531.

    Args:
        tau: Temperature; logits are divided by it before they become probabilities. Higher is softer.
        loss_weight: Factor on the returned value.
        use_sigmoid: Whether each class is an independent yes-or-no decision, as in dense heads.
        standardize: Whether each row of logits is standardised over its classes first, as `LSKDLoss` does.

    Raises:
        ValueError: If `tau` is not positive, `loss_weight` is negative, or both `use_sigmoid` and `standardize` are
            set.
    """

    def __init__(
        self, tau: float = 1.0, loss_weight: float = 1.0, use_sigmoid: bool = False, standardize: bool = False
    ) -> None:
        super().__init__(tau, loss_weight, use_sigmoid)
        self.standardize = flag('standardize', standardize)
        if use_sigmoid and standardize:
            raise ValueError(
                'KDLoss standardises a row over classes that exclude each other; with use_sigmoid=True the classes are '
                'independent and a row is not a distribution. Remove standardize=True, or use LumiNetLoss with '
                'use_sigmoid=True, which standardises each class over the rows.'
            )

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        if self.standardize:
            student, teacher = standardized_rows(student), standardized_rows(teacher)
        kl = sigmoid_kl if self.use_sigmoid else softmax_kl
        return self.tau**2 / max(len(student), 1) * kl(student / self.tau, teacher / self.tau)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, standardize={self.standardize}'
