"""GradientShare: how much of the gradient at the student's outputs comes from each term."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class GradientShare:
    """Measures, in the backward pass that runs anyway, what each term contributes.

    At the outputs of the student, with g_i the gradient of term i and g_0 that of the student's own losses, the
    share of term i is ||g_i|| / (||g_0|| + sum_j ||g_j||), each norm over all outputs watched in a step. It costs
    a few norms and does not wait for the device. As the share is known only after the backward pass, each step logs
    that of the step before.
    """

    def __init__(self) -> None:
        self._squares: dict[str | None, Tensor] = {}  # by term; under None that of the student's own losses
        self._last: dict[str, Tensor] = {}

    def watch(self, outputs: Sequence[Tensor], rows: Callable[..., Tensor], names: list[str]) -> dict[str, Tensor]:
        """Rows of the student's outputs, with one view of them for each term to compute its loss on.

        Args:
            outputs: What the student's own losses and the terms have in common: the logits (K, C + 1) of one call of
                the box head, or the maps of logits of a dense head.
            rows: Makes rows of (views of) the outputs by selecting and rearranging their values.
            names: The terms that read them.

        Returns:
            The rows for each term by its name; a term's gradient is measured at its own view.
        """
        if not names or not all(output.requires_grad for output in outputs):
            return dict.fromkeys(names, rows(*outputs))
        heard = [output.view_as(output) for output in outputs]
        for output, view in zip(outputs, heard, strict=True):
            self._watch_own(output, view)
        shared = rows(*heard)
        views = {name: shared.view_as(shared) for name in names}
        for name, view in views.items():
            view.register_hook(lambda gradient, name=name: self._add(name, gradient))
        return views

    def read(self) -> dict[str, Tensor]:
        """The share, 0 to 1, of each term in the backward pass since the last reading; empty if there was none.

        For a pass that overflowed, which loss scaling skips, it is the share of the pass before, or 0.
        """
        squares, self._squares = self._squares, {}
        norms = {name: square.sqrt() for name, square in squares.items()}
        total = sum(norms.values())
        shares = {name: norm / total.clamp(min=1e-30) for name, norm in norms.items() if name is not None}
        known = {
            name: share.where(total.isfinite(), self._last.get(name, torch.zeros_like(share)))
            for name, share in shares.items()
        }
        self._last |= known
        return known

    def __deepcopy__(self, memo: dict) -> 'GradientShare':
        return GradientShare()

    def __reduce__(self):
        return GradientShare, ()

    def _watch_own(self, output: Tensor, view: Tensor) -> None:
        of_terms = []
        view.register_hook(of_terms.append)
        # Autograd calls this with the sum of all gradients, after the view's hook was called with the terms' part.
        output.register_hook(lambda gradient: self._add(None, gradient - of_terms.pop() if of_terms else gradient))

    def _add(self, name: str | None, gradient: Tensor) -> None:
        square = torch.linalg.vector_norm(gradient, dtype=torch.promote_types(gradient.dtype, torch.float32)).square()
        self._squares[name] = self._squares.get(name, 0) + square
