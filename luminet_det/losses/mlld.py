"""MLLD: softened probabilities at several temperatures, compared by image, by batch and by class."""

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from .lskd import standardized_rows
from .rows import RowLoss
from .settings import flag

# The authors' five temperatures are `tau` and these. The strong part of their code leaves out the last two.
MORE_TAUS = (3.0, 5.0, 2.0, 6.0)
STRONG_TAUS = 3


class MLLDLoss(RowLoss):
    """Multi-level logit distillation, on a weak and a strong view of each image.

    With p = softmax(z / T) (K, C) of each network, of one view, at each temperature T of {tau, 3, 5, 2, 6}::

        KD_T = T**2 * mean over rows of KL(p_teacher || p_student)
        BC_T = |p_teacher p_teacher^T - p_student p_student^T|**2 / K      (squared Frobenius norm)
        CC_T = |p_teacher^T p_teacher - p_student^T p_student|**2 / C

    `form='code'`, the default, is what the authors' released code computes; the published numbers come from it. m is
    the part of the rows whose highest teacher probability (T = 1) is at most the median, n the part of the classes
    whose sum of teacher probabilities is at most the median. Both are 1/2 for an even number without ties; in that code
    the masks have no other effect::

        weak = sum over T of (m * KD_T + m * BC_T + n * CC_T)                 of the weak view
        strong = KD_tau + KD_3 + KD_5 of the strong view + KD_2 + KD_6 of the weak view
        loss = loss_weight * (weak + strong)

    `form='paper'` is our reading of what the paper intends, without published numbers: `loss_weight` times the sum of
    KD, BC and CC over all five T of the weak view and of the strong view, each on its own logits. The masks act on rows
    (KD, BC) and on classes (CC) before the mean over all of them. For both views they keep what is at or above the
    median in the teacher's weak view: the code's "at most" would keep the least confident.

    Source: Jin et al., "Multi-Level Logit Distillation", CVPR 2023. Published: `tau=4, loss_weight=0.9` with 0.1 times
    each view's cross-entropy, that is 0.2 times their mean (CIFAR-100); `tau=1, loss_weight=0.5` with 0.5 times each
    (ImageNet). The published schedules are up to four times as long as other methods'.

    BC grows with the number of rows and CC with its square; the weights are meant for 64 to 512 images. On RoIs use
    `views=1` and a smaller `loss_weight`. Several processes: each compares its own rows.

    Args:
        tau: The first of the five temperatures. Higher is softer.
        loss_weight: Factor on the returned value.
        form: 'code' or 'paper'.
        views: 2, or 1 for only the weak part, on a single view at a time: for RoIs, or if there is one augmentation.
        standardize: Whether the KD terms use logits standardised over the classes of a row, as `LSKDLoss` does. BC and
            CC use the raw ones, as in the code of LSKD's authors.

    Raises:
        ValueError: If `tau` is not positive, `loss_weight` is negative, or `form` or `views` is unknown.
    """

    takes_views = True

    def __init__(
        self,
        tau: float = 4.0,
        loss_weight: float = 0.9,
        form: str = 'code',
        views: int = 2,
        standardize: bool = False,
    ) -> None:
        super().__init__(tau, loss_weight)
        if form not in ('code', 'paper'):
            raise ValueError(f"form must be 'code' or 'paper', got form={form!r}")
        if views not in (1, 2):
            raise ValueError(f'views must be 1 or 2, got views={views!r}')
        self.form = form
        self.views = views
        self.standardize = flag('standardize', standardize)
        self.takes_views = views == 2

    def forward(
        self, student: Tensor | tuple[Tensor, ...], teacher: Tensor | tuple[Tensor, ...], target: Tensor | None = None
    ) -> Tensor:
        """Compare two networks on the views of the same images.

        Args:
            student: Raw logits (K, C) of the weak and of the strong view; with `views=1` those of one view, as a tensor
                or in a tuple.
            teacher: Like `student`; detached here.
            target: Not used.

        Returns:
            A scalar.

        Raises:
            ValueError: If the number of views differs from `views`, or they are not all (K, C) tensors of one shape.
        """
        student, teacher = ((each,) if isinstance(each, Tensor) else tuple(each) for each in (student, teacher))
        if not len(student) == len(teacher) == self.views:
            wanted = 'two views of each image, a weak and a strong one' if self.views == 2 else 'one view of each image'
            raise ValueError(
                f'MLLDLoss compares {wanted}; got {len(student)} of the student and {len(teacher)} of the teacher. '
                'Give the training set one list of transforms for each view, '
                'train_dataloader.dataset.transforms=[[weak ...], [strong ...]] as in '
                'configs/cifar100/strong_augmentation, or set views=1 to use only the weak part.'
            )
        if self.views == 1:
            return super().forward(student[0], teacher[0])
        if len({view.shape for view in (*student, *teacher)}) > 1:
            found = [[tuple(view.shape) for view in views] for views in (student, teacher)]
            raise ValueError(
                f'MLLDLoss compares views of the same images, all (K, C); got {found[0]} of the student and {found[1]} '
                'of the teacher'
            )
        return super().forward(torch.cat(student), torch.cat(teacher))

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        if not len(student):
            return student.sum() * 0
        taus = (self.tau, *MORE_TAUS)
        logs = [self._log_probabilities(logits, taus) for logits in (student, teacher)]
        probabilities = [each.exp() for each in logs]
        if self.standardize:
            logs = [self._log_probabilities(standardized_rows(logits), taus) for logits in (student, teacher)]
        rows = kl_div(*logs, reduction='none', log_target=True).sum(-1)
        rows = torch.stack([tau**2 * kl for tau, kl in zip(taus, rows.unbind(), strict=True)])
        weak = teacher.unflatten(0, (self.views, -1))[0].softmax(dim=1)
        confidence, presence = weak.amax(1), weak.sum(0)
        if self.form == 'paper':
            confident, present = confidence >= _upper_median(confidence), presence >= _upper_median(presence)
            batch, classes = _relations_of_each(*probabilities)
            return ((rows + batch) * confident).mean(-1).sum() + (classes * present).mean(-1).sum()
        confident, present = ((each <= each.median()).to(each.dtype).mean() for each in (confidence, presence))
        batch, classes = _relations(*(each[:, 0] for each in probabilities))
        kd = rows.mean(-1)
        value = confident * (kd[:, 0].sum() + batch.sum()) + present * classes.sum()
        return value if self.views == 1 else value + kd[:STRONG_TAUS, 1].sum() + kd[STRONG_TAUS:, 0].sum()

    def _log_probabilities(self, logits: Tensor, taus: tuple[float, ...]) -> Tensor:
        """Log-probabilities (T, V, K, C) of logits (V * K, C) at each temperature."""
        softened = torch.stack([logits / tau for tau in taus])
        return softened.log_softmax(-1).unflatten(1, (self.views, -1))

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, form={self.form}, views={self.views}, standardize={self.standardize}'


def _relations_of_each(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """BC before the mean over rows (..., K), and CC before that over classes (..., C), of probabilities (..., K, C)."""
    difference, total = teacher - student, teacher + student
    return _squares(difference @ total.mT), _squares(difference.mT @ total)


def _squares(product: Tensor) -> Tensor:
    """The squares of a difference of Gram matrices, summed over each row, from X = (T - S) (T + S)^T.

    T T^T - S S^T = (X + X^T) / 2: one product instead of two, and nothing cancels.
    """
    return ((product + product.mT) / 2).square().sum(-1)


def _relations(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """BC (...) and CC (...) of probabilities (..., K, C), without the larger of the two matrices.

    With D = T - S, P = T + S and X = D P^T the other one is |T^T T - S^T S|**2 = (<D D^T, P P^T> + <X, X^T>) / 2. For
    4096 RoIs the matrix of BC would take 64 MiB for each temperature.
    """
    rows, classes = student.shape[-2:]
    if rows > classes:
        return _relations(student.mT, teacher.mT)[::-1]
    difference, total = teacher - student, teacher + student
    product = difference @ total.mT
    other = (difference @ difference.mT) * (total @ total.mT) + product * product.mT
    return _squares(product).mean(-1), other.sum((-2, -1)) / (2 * classes)


def _upper_median(values: Tensor) -> Tensor:
    """The median; of an even number of values the upper middle one, where `torch.median` gives the lower."""
    return -(-values).median()
