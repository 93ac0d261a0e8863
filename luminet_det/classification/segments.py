"""Segments: runs classification networks from the middle, as FCFD's mixed paths need."""

from contextlib import nullcontext
from typing import NamedTuple

from torch import Tensor, nn

from luminet_det.distillation import Teacher
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.norms import batch_norms, batch_statistics


class Segments:
    """A classification network that can be entered at the end of each of its stages.

    Such a network gives the maps at these places as `Outputs.boundaries` and has

    - `cut_after_relu`: whether they are outputs of a ReLU;
    - `run_stage(i, x)`: from the end of stage i - 1 (from the images, if i is 0) to the end of stage i;
    - `classify(x)`: from the end of the last stage to the logits.

    Run in turn, these give the same as its `forward`, bit for bit.

    Args:
        network: The network of the student or the teacher.
        teacher: The teacher, if it is the teacher's network; it runs in the teacher's `dtype`.
        classes: Maps the teacher's logits to the student's classes.

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
        """Run the rest of the network. Its norms use the statistics of the batch and leave the running ones unchanged.

        Args:
            x: Maps (B, C, H, W) from the stage before the first of `stages`.
            stages: The stages to run, up to the last one.

        Returns:
            The maps at the end of each of them, and the logits (B, C) in the student's class order.
        """
        maps = []
        with self._answering(x), batch_statistics(self._norms):
            x = self._typed(x)
            for i in stages:
                x = self.network.run_stage(i, x)
                maps.append(x)
            return maps, self._logits(x)

    def classify(self, x: Tensor) -> Tensor:
        """The logits (B, C), in the student's class order, for maps from the last stage."""
        with self._answering(x):
            return self._logits(self._typed(x))

    def _logits(self, x: Tensor) -> Tensor:
        logits = self.network.classify(x)
        return self.classes(logits) if self.classes else logits

    def _answering(self, x: Tensor):
        return self.teacher.answering(x.device.type) if self.teacher else nullcontext()

    def _typed(self, x: Tensor) -> Tensor:
        """The maps; for a teacher with a `dtype` in that of its weights, which a norm at a stage's start requires."""
        return x.to(next(self.network.parameters()).dtype) if self.teacher and self.teacher.dtype else x


def require_segments(network: nn.Module) -> None:
    """Raise ValueError unless the network can be run stage by stage."""
    if getattr(network, 'cut_after_relu', None) is None:
        name = type(network).__name__ + (f' ({type(network.model).__name__})' if hasattr(network, 'model') else '')
        raise ValueError(
            f'A loss of `distill` runs the networks stage by stage, which {name} does not support. The networks that '
            'luminet_det itself defines do, except DeiT, and so do the ResNets of luminet_det.TorchvisionNetwork. '
            'Choose one of these, or another loss.'
        )


class Networks(NamedTuple):
    """What a loss that needs `networks` receives."""

    student: Segments
    teacher: Segments
