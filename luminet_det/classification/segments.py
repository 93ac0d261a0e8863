"""Segments: classification networks run from the middle, as FCFD's mixed paths do."""

from contextlib import nullcontext
from typing import NamedTuple

from torch import Tensor, nn

from luminet_det.distillation import Teacher
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.norms import batch_norms, batch_statistics


class Segments:
    """A classification network that can be entered at the end of each of its stages.

    Such a network gives the maps at these places as `Outputs.boundaries` and has

    - `cut_after_relu`: whether they are what a ReLU leaves;
    - `run_stage(i, x)`: from the end of stage i - 1 (from the images, if i is 0) to the end of stage i;
    - `classify(x)`: from the end of the last stage to the logits.

    Run in turn, these give what its `forward` does, bit for bit.

    Args:
        network: Student or teacher.
        teacher: The teacher whose network it is; its `dtype` is kept to.
        classes: How the teacher's logits become the student's.

    Attributes:
        after_relu: The network's `cut_after_relu`.

    Raises:
        ValueError: The network cannot be run stage by stage.
    """

    def __init__(self, network: nn.Module, teacher: Teacher | None = None, classes: ClassMap | None = None) -> None:
        require_segments(network)
        self.after_relu = network.cut_after_relu
        self.network = network
        self.teacher = teacher
        self.classes = classes
        self._norms = batch_norms(network)

    def finish(self, x: Tensor, stages: range) -> tuple[list[Tensor], Tensor]:
        """Run the rest of the network. Its norms take the statistics of the batch; the running ones stay as they are.

        Args:
            x: Maps (B, C, H, W) as the stage before the first of `stages` gives them.
            stages: The stages to run, to the last one.

        Returns:
            The maps at the end of each of them, and the logits (B, C) in the student's order of classes.
        """
        maps = []
        with self._answering(x), batch_statistics(self._norms):
            x = self._typed(x)
            for i in stages:
                x = self.network.run_stage(i, x)
                maps.append(x)
            return maps, self._logits(x)

    def classify(self, x: Tensor) -> Tensor:
        """The logits (B, C), in the student's order of classes, of maps as the last stage gives them."""
        with self._answering(x):
            return self._logits(self._typed(x))

    def _logits(self, x: Tensor) -> Tensor:
        logits = self.network.classify(x)
        return self.classes(logits) if self.classes else logits

    def _answering(self, x: Tensor):
        return self.teacher.answering(x.device.type) if self.teacher else nullcontext()

    def _typed(self, x: Tensor) -> Tensor:
        """A norm right at the start of a stage takes no maps of another type than its weights."""
        return x.to(next(self.network.parameters()).dtype) if self.teacher and self.teacher.dtype else x


def require_segments(network: nn.Module) -> None:
    """Raise ValueError unless the network can be run stage by stage."""
    if getattr(network, 'cut_after_relu', None) is None:
        name = type(network).__name__ + (f' ({type(network.model).__name__})' if hasattr(network, 'model') else '')
        raise ValueError(
            f'A loss of `distill` runs the networks stage by stage, which {name} does not offer. Those of luminet_det '
            'do, but for DeiT, and the ResNets of luminet_det.TorchvisionNetwork. Choose one of these, or another loss.'
        )


class Networks(NamedTuple):
    """What a loss gets that needs `networks`."""

    student: Segments
    teacher: Segments
