"""StagedNetwork: stem, stages whose blocks each end in a ReLU, pooling, one linear layer."""

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.outputs import Outputs


class StagedNetwork(nn.Module):
    """The course of the ResNets and ShuffleNets; subclasses set `conv1`, `bn1` and `fc` and call `add_stage`."""

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
        embedding = self.pool(x)
        return Outputs(self.fc(embedding), tuple(features), tuple(before_relu), embedding)

    def pool(self, x: Tensor) -> Tensor:
        """The embedding (B, D) of the last stage's maps."""
        return x.mean((2, 3))


class Stage(nn.Sequential):
    """Blocks that each end before their last ReLU, and those ReLUs; gives the maps after and before the last one."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *blocks, last = self
        for block in blocks:
            x = relu(block(x), inplace=True)
        before = last(x)
        # Not in place: both are returned.
        return relu(before), before
