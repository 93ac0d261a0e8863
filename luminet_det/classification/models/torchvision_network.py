"""TorchvisionNetwork: any classification model of torchvision."""

from difflib import get_close_matches

from torchvision import models

from luminet_det.classification.models.library_network import LibraryNetwork
from luminet_det.registry import MODELS


@MODELS.register_module()
class TorchvisionNetwork(LibraryNetwork):
    """A model of torchvision, e.g. `TorchvisionNetwork('resnet34')`.

    Auxiliary heads, which `googlenet` and `inception_v3` have unless `aux_logits=False`, run in training but do not
    learn; DistributedDataParallel needs that option.

    Args:
        name: As in `torchvision.models`.
        num_classes: C.
        **kwargs: More of that model's own, e.g. `weights='IMAGENET1K_V1'`, which downloads, or `dropout=0.2`.

    Raises:
        ValueError: torchvision has no classification model of this name.
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
        model = models.get_model(name, num_classes=num_classes, **kwargs)
        only = getattr(model, 'image_size', None)
        super().__init__(model, [only] if only else [128, 224, 299, 64, 32])
