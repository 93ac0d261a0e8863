"""GradientShare: how much of the gradient at the student's outputs comes from each term."""

import torch
from torch import Tensor


class GradientShare:
    """Measures, in the backward pass that runs anyway, what each term contributes.

    At the outputs of the student, with g_i the gradient of term i and g_0 that of the student's own losses, the
    share of term i is ||g_i|| / (||g_0|| + sum_j ||g_j||), each norm over all outputs watched in a step. It costs
    a few norms and no waiting; since it is known after the backward pass, a step logs the share of the one before.
    """

    def __init__(self) -> None:
        self._squares: dict[str | None, Tensor] = {}  # of each term, and under None of the student's own losses

    def watch(self, output: Tensor, names: list[str]) -> dict[str, Tensor]:
        """Views of an output, one for each term to compute its loss on.

        Args:
            output: What student and terms have in common, e.g. the logits (K, C + 1) of one call of the box head.
            names: The terms that read it.

        Returns:
            By name, a view that tells this term's gradient from the others'.
        """
        if not output.requires_grad or not names:
            return dict.fromkeys(names, output)
        views = {name: output.view_as(output) for name in names}
        gradients = {}
        for name, view in views.items():
            view.register_hook(lambda gradient, name=name: gradients.update({name: gradient}))
        # Autograd calls this with the sum, after every view of this output has had its part.
        output.register_hook(lambda gradient: self._add(gradients, gradient))
        return views

    def read(self) -> dict[str, Tensor]:
        """The share, 0 to 1, of each term in the backward pass since the last reading; empty if there was none."""
        squares, self._squares = self._squares, {}
        norms = {name: square.sqrt() for name, square in squares.items()}
        total = sum(norms.values())
        return {name: norm / total.clamp(min=1e-30) for name, norm in norms.items() if name is not None}

    def __deepcopy__(self, memo: dict) -> 'GradientShare':
        return GradientShare()

    def __reduce__(self):
        return GradientShare, ()

    def _add(self, gradients: dict[str, Tensor], gradient: Tensor) -> None:
        parts = {**gradients, None: gradient - sum(gradients.values())}
        gradients.clear()
        for name, part in parts.items():
            square = torch.linalg.vector_norm(part, dtype=torch.float32).square()
            self._squares[name] = self._squares.get(name, 0) + square
