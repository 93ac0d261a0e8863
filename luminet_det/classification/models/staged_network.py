"""StagedNetwork: stem, stages whose blocks each end in a ReLU, pooling, one linear layer."""

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.outputs import Outputs


class StagedNetwork(nn.Module):
    """The forward pass of ResNets and ShuffleNets; subclasses set `conv1`, `bn1` and `fc` and call `add_stage`."""

    cut_after_relu = True

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[str] = []

    def add_stage(self, *blocks: nn.Module) -> None:
        """Append a stage, as the attribute `layer1`, `layer2`, ..."""
        self.stages.append(f'layer{len(self.stages) + 1}')
        self.add_module(self.stages[-1], Stage(*blocks))

    def forward(self, x: Tensor) -> Outputs:
        before = self.bn1(self.conv1(x))
        x = relu(before)
        features, before_relu = [x], [before]
        for stage in self.stages:
            x, before = getattr(self, stage)(x)
            features.append(x)
            before_relu.append(before)
        last = self.last_maps(x)
        embedding = last.mean((2, 3))
        boundaries = (*features[:-1], last) if self.cut_after_relu else tuple(before_relu)
        return Outputs(self.fc(embedding), tuple(features), tuple(before_relu), embedding, boundaries)

    def last_maps(self, x: Tensor) -> Tensor:
        """The maps to pool, computed from the last stage's."""
        return x

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one."""
        if i == 0:
            return relu(self.bn1(self.conv1(x)))
        after, _ = getattr(self, self.stages[i - 1])(x)
        return self.last_maps(after) if i == len(self.stages) else after

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`."""
        return self.fc(x.mean((2, 3)))


class Stage(nn.Sequential):
    """Blocks without their last ReLU, and these ReLUs; returns the maps after and before the last one."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *blocks, last = self
        for block in blocks:
            x = relu(block(x), inplace=True)
        before = last(x)
        # Not in place: both are returned.
        return relu(before), before
