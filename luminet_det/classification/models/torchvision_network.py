"""TorchvisionNetwork: any classification model of torchvision."""

from difflib import get_close_matches

from torch import Tensor
from torchvision import models

from luminet_det.classification.models.library_network import LibraryNetwork
from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS

PUBLISHED = 1000  # classes of all published weights
OWN_NORMALISATION = ('googlenet', 'inception_v3')


@MODELS.register_module()
class TorchvisionNetwork(LibraryNetwork):
    """A model of torchvision, e.g. `TorchvisionNetwork('resnet34')`.

    Auxiliary heads, which `googlenet` and `inception_v3` have unless `aux_logits=False`, run in training but do not
    learn; DistributedDataParallel needs that option, and those of `inception_v3` need images of 299 px or more. Only
    the ResNets (with ResNeXts and wide ResNets) return `boundaries`.

    `googlenet` and `inception_v3` convert ImageNet's normalisation themselves to mean and standard deviation 0.5, which
    their published weights expect: `transform_input` is True here, while torchvision sets it only with the published
    weights. For weights that were trained without it, set `transform_input=False`.

    Args:
        name: As in `torchvision.models`.
        num_classes: C.
        **kwargs: Other arguments of that model, e.g. `weights='IMAGENET1K_V1'`, which downloads, or `dropout=0.2`.

    Raises:
        ValueError: torchvision has no classification model of this name, or its weights are for other classes.
    """

    key_map = (
        # The published densenets still have names that torch no longer allows.
        (r'(denselayer\d+\.(?:norm|conv))\.(\d)\.', r'\1\2.'),
        *LibraryNetwork.key_map,
    )

    def __init__(self, name: str, num_classes: int = 1000, **kwargs) -> None:
        known = models.list_models(models)
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.3)
            raise ValueError(
                f'torchvision has no classification model network.name={name!r}. The nearest: {", ".join(near)}.'
                if near
                else f'torchvision has no classification model network.name={name!r}; see torchvision.models.'
            )
        if name in OWN_NORMALISATION:
            kwargs.setdefault('transform_input', True)
        published = next((key for key in ('weights', 'pretrained') if kwargs.get(key)), None)
        if published and num_classes != PUBLISHED:
            raise ValueError(
                f'network.{published}={kwargs[published]!r} are weights for {PUBLISHED} classes, but '
                f"network.num_classes={num_classes}. Set model.init_cfg=dict(type='Pretrained', "
                f"checkpoint='torchvision://{name}.imagenet1k_v1') instead: the last layer then starts from scratch."
            )
        model = models.get_model(name, num_classes=num_classes, **kwargs)
        only = getattr(model, 'image_size', None)
        super().__init__(model, [only] if only else [128, 224, 299, 64, 32], name)
        if isinstance(model, models.ResNet):
            self.cut_after_relu = True

    def forward(self, x: Tensor) -> Outputs:
        outputs = super().forward(x)
        return Outputs(*outputs[:4], outputs.features) if hasattr(self, 'cut_after_relu') else outputs

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one; only for ResNets."""
        model = self.model
        if i == 0:
            return model.relu(model.bn1(model.conv1(x)))
        return getattr(model, f'layer{i}')(model.maxpool(x) if i == 1 else x)

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`; only for ResNets."""
        return self.model.fc(self.model.avgpool(x).flatten(1))
