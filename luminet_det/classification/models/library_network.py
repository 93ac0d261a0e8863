"""LibraryNetwork: a network of torchvision or timm that returns `Outputs`."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from luminet_det.classification.models.outputs import Outputs
from luminet_det.classification.models.places import Place, accepts, find_places


class LibraryNetwork(nn.Module):
    """Runs a model as it is and records tensors of its forward pass; its activations no longer work in place.

    Features are one map per stage, (B, C_i, H_i, W_i), as `find_places` finds them, or the tokens of a transformer's
    blocks, (B, N, D); for a model with neither they are empty tuples. Weights have the library's own names under the
    prefix `model.`.

    Args:
        model: Maps images (B, 3, H, W) to logits (B, C), or to a tuple that begins with them.
        sizes: Image sizes to find the places with, see `find_places`.
        name: What its library calls the model.

    Raises:
        ValueError: The model accepts images of none of the sizes.
    """

    key_map = ((r'^(?!model\.)', 'model.'),)

    def __init__(self, model: nn.Module, sizes: Iterable[int], name: str = '') -> None:
        super().__init__()
        for module in model.modules():
            # An in-place activation would change its input, which is returned too.
            if getattr(module, 'inplace', False):
                module.inplace = False
        self.model = model
        self.name = name or type(model).__name__
        self.places = find_places(model, sizes)
        self.image_size = self.places.image_size
        self._averages = (1, -1) if isinstance(model.get_submodule(self.places.embedding.module), nn.Linear) else (2, 4)
        self._record = Kept()
        self._needed = tuple({*self.places.features, *self.places.before_relu, self.places.embedding})
        for place in self._needed:
            model.get_submodule(place.module).register_forward_hook(Keep(place, self._record))

    def forward(self, x: Tensor) -> Outputs:
        kept = self._record.kept = {}
        try:
            logits = self.model(x)
        except (AssertionError, RuntimeError, ValueError) as error:
            self._require_size(x, error)
            raise
        finally:
            # Keep no tensors, and record no later calls, such as those of a checkpointed block in the backward pass.
            self._record.kept = None
        if len(kept) < len(self._needed):
            missing = next(place.module for place in self._needed if place not in kept)
            raise RuntimeError(
                f'{missing} of {type(self.model).__name__} has not run as it did when the network was built. Something '
                'has replaced it since, as `sync_bn` does with norms: remove that from the config.'
            )
        places = self.places
        features, before_relu = (
            tuple(
                kept[place].permute(0, 3, 1, 2) if is_last else kept[place]
                for place, is_last in zip(of_one, places.channels_last, strict=True)
            )
            for of_one in (places.features, places.before_relu)
        )
        embedding = kept[places.embedding]
        if embedding.dim() > 2:
            # The last layer runs at each position and its outputs are averaged afterwards, or on a map of one pixel.
            start, stop = self._averages
            embedding = embedding.mean(tuple(range(embedding.dim()))[start:stop])
        # In training some of torchvision's models also return the logits of auxiliary heads.
        logits = logits if torch.is_tensor(logits) else logits[0]
        return Outputs(logits, features, before_relu, embedding)

    def _require_size(self, x: Tensor, error: Exception) -> None:
        """Raise RuntimeError from `error` if the model accepts no images of this size."""
        size = x.shape[-1]
        if size == self.image_size or accepts(self.model, size):
            return
        raise RuntimeError(
            f'{self.name} accepts no images of {size} px, but those of {self.image_size} px. Set '
            f'resize={self.image_size} in the datasets of all dataloaders, or choose another network; some of timm '
            f'accept any size with network.img_size={size}. ({error})'
        ) from error


class Kept:
    """What `Keep` has recorded in the current forward pass; None between two passes."""

    def __init__(self) -> None:
        self.kept: dict[Place, Tensor] | None = None


class Keep:
    """A forward hook that survives copying and pickling: a copied hook and its network share one `Kept` too."""

    def __init__(self, place: Place, record: Kept) -> None:
        self.place = place
        self.record = record

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if self.record.kept is not None:
            self.record.kept[self.place] = inputs[0] if self.place.part == 'input' else output
