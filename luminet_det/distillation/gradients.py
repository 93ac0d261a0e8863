"""GradientShare: how much of the gradient at the student's outputs comes from each term."""

from torch import Tensor


class GradientShare:
    """Measures, in the backward pass that runs anyway, what each term contributes.

    At an output of the student, with g_i the gradient of term i and g_0 that of the student's own losses, the
    share of term i is ||g_i|| / (||g_0|| + sum_j ||g_j||). It costs a few norms and no waiting; since it is
    known after the backward pass, a step logs the share of the step before.
    """

    def __init__(self) -> None:
        self._gradients: dict[str, list[Tensor]] = {}
        self._shares: dict[str, Tensor] = {}

    def watch(self, output: Tensor, names: list[str]) -> dict[str, Tensor]:
        """Views of an output, one for each term to compute its loss on.

        Args:
            output: What student and terms have in common, e.g. the logits (K, C + 1) of one call of the box head.
            names: The terms that read it.

        Returns:
            By name, a view that tells this term's gradient from the others'.
        """
        if not output.requires_grad:
            return dict.fromkeys(names, output)
        views = {}
        for name in names:
            views[name] = output.view_as(output)
            views[name].register_hook(lambda gradient, name=name: self._keep(name, gradient))
        # Autograd calls this with the sum, after all the views have had their part.
        output.register_hook(lambda gradient: self._divide(names, gradient))
        return views

    def shares(self) -> dict[str, Tensor]:
        """The share, 0 to 1, of each term in the last backward pass; empty before the first."""
        return self._shares

    def __getstate__(self) -> dict:
        return GradientShare().__dict__

    def __deepcopy__(self, memo: dict) -> 'GradientShare':
        return GradientShare()

    def _keep(self, name: str, gradient: Tensor) -> None:
        self._gradients.setdefault(name, []).append(gradient)

    def _divide(self, names: list[str], gradient: Tensor) -> None:
        of_terms = {name: sum(self._gradients.pop(name)) for name in names if name in self._gradients}
        norms = {name: part.float().norm() for name, part in of_terms.items()}
        rest = (gradient - sum(of_terms.values())).float().norm()
        total = rest + sum(norms.values())
        self._shares = {name: norm / total.clamp(min=1e-30) for name, norm in norms.items()}
