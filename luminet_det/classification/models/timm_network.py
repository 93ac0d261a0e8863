"""TimmNetwork: any classification model of timm."""

from difflib import get_close_matches

from luminet_det.classification.models.library_network import LibraryNetwork
from luminet_det.registry import MODELS


@MODELS.register_module()
class TimmNetwork(LibraryNetwork):
    """A model of timm, e.g. `TimmNetwork('resnet18.a1_in1k', num_classes=100)`.

    Args:
        name: As in `timm.list_models()`.
        num_classes: C.
        **kwargs: For `timm.create_model`, e.g. `drop_path_rate=0.1`, or `pretrained=True`, which downloads.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no model of this name.
    """

    def __init__(self, name: str, num_classes: int = 1000, **kwargs) -> None:
        try:
            import timm
        except ImportError as error:
            raise ImportError(
                "luminet_det.TimmNetwork needs timm; run in luminet_det's folder: pip install '.[timm]'"
            ) from error
        if not timm.is_model(name):
            near = get_close_matches(name.partition('.')[0], timm.list_models(), n=3, cutoff=0.3)
            raise ValueError(
                f'timm {timm.__version__} has no model network.name={name!r}. The nearest: {", ".join(near)}.'
                if near
                else f'timm {timm.__version__} has no model network.name={name!r}; see timm.list_models().'
            )
        model = timm.create_model(name, num_classes=num_classes, **kwargs)
        # The size that a model was made for, as some accept no other: that of its patches or of its published weights.
        made_for = getattr(getattr(model, 'patch_embed', None), 'img_size', None) or model.pretrained_cfg['input_size']
        super().__init__(model, dict.fromkeys([128, made_for[-1], 224, 64, 32]), name)
