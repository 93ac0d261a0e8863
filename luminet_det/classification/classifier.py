"""Classifier: an image classifier that mmengine's Runner trains and evaluates."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor

from luminet_det.classification.label_guard import LabelGuard, outside
from luminet_det.classification.models import Outputs, own_weights
from luminet_det.classification.network import build_network, num_logits, weights_of_classes
from luminet_det.compat import checkpoints
from luminet_det.distillation.running import run_info
from luminet_det.distillation.settings import check_keys, settings_of
from luminet_det.distillation.weights import load_strictly
from luminet_det.losses.settings import not_negative, positive
from luminet_det.registry import MODELS


@MODELS.register_module()
class Classifier(BaseModel):
    """A network and its cross-entropy.

    Args:
        network: Config of the network, e.g. `dict(type='luminet_det.resnet8x4', num_classes=100)`. Any
            `torch.nn.Module` will do that maps images (B, 3, H, W) to logits (B, C) or to `Outputs`.
        data_preprocessor: Config of an `mmengine.model.ImgDataPreprocessor`: mean and std of the pixels, in 0..255.
        ce_weight: Weight of the cross-entropy; the papers' recipes use 0.1 to 2.
        label_smoothing: As in `torch.nn.CrossEntropyLoss`.
        channels_last: Keep images and weights in the channels-last layout, which is faster for convolutions on CPUs
            and in half precision on GPUs.
        compile: True, or a dict of `torch.compile` options, to compile the networks and losses of a training step,
            including their backward pass; `dict(mode='reduce-overhead')` captures them as CUDA graphs.
        image_size: Height and width of the training images in pixels, for which losses on feature maps build the
            layers that they learn. Default: the network's `image_size`, else 32. Only networks whose strides depend
            on the image size, such as VGG here, need it.
        init_cfg: As in every mmengine model. A checkpoint in `dict(type='Pretrained', checkpoint=...)` is loaded
            strictly, in any format that `own_weights` knows. Layers that differ only in the number of classes are not
            loaded, and the log names them.

    Raises:
        ValueError: A setting of the model or its network is unknown or out of range.
    """

    def __init__(
        self,
        network: dict,
        data_preprocessor: dict | None = None,
        ce_weight: float = 1.0,
        label_smoothing: float = 0.0,
        channels_last: bool = False,
        compile: bool | dict = False,
        image_size: int | None = None,
        init_cfg: dict | list[dict] | None = None,
        **unknown,
    ) -> None:
        check_settings(unknown)
        preprocessor = dict(dict(type='mmengine.ImgDataPreprocessor'), **(data_preprocessor or {}))
        super().__init__(preprocessor, init_cfg)
        self.network = build_network(network)
        self.ce_weight = not_negative('ce_weight', ce_weight)
        self.label_smoothing = not_negative('label_smoothing', label_smoothing)
        if label_smoothing > 1:
            raise ValueError(f'label_smoothing must be at most 1, got label_smoothing={label_smoothing!r}')
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)
        if not isinstance(compile, bool | Mapping | None):
            raise ValueError(
                f"compile must be True, False or torch.compile's options, as dict(mode='reduce-overhead'); got "
                f'compile={compile!r}'
            )
        self.compile_options = None if compile in (False, None) else {} if compile is True else dict(compile)
        made_for = getattr(self.network, 'image_size', 32)
        self.image_size = made_for if image_size is None else int(positive('image_size', image_size))
        self._compiled_objective: Callable | None = None
        self._checked = False
        self._labels = LabelGuard()

    def forward(
        self,
        inputs: Tensor,
        labels: Tensor | None = None,
        index: Tensor | None = None,
        data_samples: None = None,
        mode: str = 'tensor',
    ) -> Outputs | dict[str, Tensor] | list[dict[str, Tensor]]:
        """Run the classifier as mmengine's loops do.

        Args:
            inputs: (V * B, 3, H, W), normalised; view-major where the dataset gives V views of each image.
            labels: Class indices (B,), int64.
            index: Index of each image in the dataset (B,), int64.
            data_samples: Ignored; mmengine's preprocessor adds it to every batch.
            mode: `'tensor'`, `'loss'` or `'predict'`.

        Returns:
            By mode: the network's `Outputs`; a dict of losses; or a list with one dict for the whole batch, of
            `logits` (B, C) in float32, `labels` and `index`. A batch that is empty because all its images were
            unreadable and skipped gives a loss of zero, or no logits.

        Raises:
            ValueError: A label is outside the classes, or one of several processes has an empty batch.
        """
        if labels is not None and not len(labels):
            if mode == 'loss':
                return self._of_no_image()
            if mode == 'predict':
                return [dict(logits=inputs.new_empty(0, num_logits(self.network)), labels=labels, index=index)]
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if mode == 'tensor':
            return self.outputs(inputs)
        if mode == 'predict':
            return [dict(logits=self.outputs(inputs).logits.float(), labels=labels, index=index)]
        if mode == 'loss':
            return self.loss(inputs, labels, index)
        raise ValueError(f"mode={mode!r} is unknown; it is 'tensor', 'loss' or 'predict'.")

    def outputs(self, inputs: Tensor) -> Outputs:
        """The network's outputs for images (B, 3, H, W); a custom network may return only logits.

        Raises:
            TypeError: The network returns neither logits nor an object that has them.
        """
        outputs = self.network(inputs)
        if isinstance(outputs, Tensor):
            return Outputs(outputs, (), (), None)
        if not isinstance(getattr(outputs, 'logits', None), Tensor):
            shown = f' ({", ".join(type(part).__name__ for part in outputs)})' if isinstance(outputs, tuple) else ''
            raise TypeError(
                f'{type(self.network).__name__} returns a {type(outputs).__name__}{shown}. Let its forward return the '
                'logits (B, C), or luminet_det.classification.models.Outputs(logits, features, before_relu, embedding).'
            )
        return outputs

    def loss(self, inputs: Tensor, labels: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """The losses of a training step: `loss_ce`, and `top1`, the percentage of the batch that is predicted right."""
        found = self.run_objective(inputs, labels, index)
        return {'loss_ce': found['ce'], 'top1': found['top1']}

    def run_objective(self, inputs: Tensor, labels: Tensor, index: Tensor | None, *extra) -> dict[str, Tensor]:
        """Run `objective`, compiled if `compile` is set, with errors that say what to change."""
        objective = self.objective
        if self.compile_options is not None:
            if self._compiled_objective is None:
                # The last batch of an epoch is smaller: kernels for both sizes are faster than kernels for any size.
                self._compiled_objective = torch.compile(objective, **{'dynamic': False, **self.compile_options})
            objective = self._compiled_objective
            # CUDA graphs overwrite the tensors of the last step, which are no longer needed.
            torch.compiler.cudagraph_mark_step_begin()
        try:
            found = objective(inputs, labels, *extra)
        # A compiled step raises torch's own RuntimeError with the same message.
        except (RuntimeError, ValueError) as error:
            if 'more than 1 value per channel' in str(error):
                raise ValueError(
                    'A batch of one image has no statistics for BatchNorm. Set train_dataloader.drop_last=True, or a '
                    f'batch size that does not leave one image over: {error}'
                ) from error
            raise
        self.check_classes(found['logits'].shape[1])
        self._labels.watch(found['outside'], labels, index, found['logits'].shape[1])
        return found

    def objective(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The tensor part of a training step: networks and losses, nothing that `torch.compile` cannot trace."""
        views = [self.outputs(view) for view in inputs.split(len(labels))]
        return self.supervised([view.logits for view in views], labels)

    def supervised(self, logits: list[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """The weighted cross-entropy, averaged over the views, and what is logged with it.

        Args:
            logits: (B, C) of each view.
            labels: (B,). Those `outside` the classes count as class 0 here; the guard stops the run because of them.
        """
        off = outside(labels, logits[0].shape[1])
        labels = labels.masked_fill(off, 0)
        losses = [F.cross_entropy(view.float(), labels, label_smoothing=self.label_smoothing) for view in logits]
        right = (logits[0].detach().argmax(1) == labels).float().mean()
        found = {'ce': self.ce_weight * sum(losses) / len(losses), 'top1': 100 * right, 'logits': logits[0].detach()}
        return {**found, 'labels': labels, 'outside': off}

    def own_weights(self, checkpoint: dict) -> dict[str, Tensor]:
        """The weights of a checkpoint under this model's names; see `models.own_weights`."""
        return own_weights(self.network, checkpoint, prefix='network.')

    def init_weights(self) -> None:
        """As in every mmengine model, but a pretrained checkpoint that does not fit is an error."""
        if not isinstance(self.init_cfg, dict) or self.init_cfg.get('type') != 'Pretrained' or self.is_init:
            super().init_weights()
            return
        source = self.init_cfg['checkpoint']
        own, weights = self.state_dict(), self.own_weights(checkpoints.load(source))
        heads = [f'network.{name}' for name in weights_of_classes(self.network)]
        other = [name for name in heads if name in weights and weights[name].shape != own[name].shape]
        # They differ from the checkpoint only in the number of classes, which is the same for all of them there.
        if len({weights[name].shape[:1] for name in other}) == 1 and all(
            weights[name].shape[1:] == own[name].shape[1:] for name in other
        ):
            classes = len(weights[other[0]])
            print_log(f'{source} is for {classes} classes: {", ".join(other)} start from scratch.', logger='current')
            weights = weights | {name: own[name] for name in other}
        try:
            load_strictly(self, weights, source=source)
        except RuntimeError as error:
            raise RuntimeError(
                f'{error} Set model.init_cfg.checkpoint to a checkpoint of this network, or model.init_cfg=None to '
                'train from scratch.'
            ) from error
        self.is_init = True

    def train(self, mode: bool = True) -> 'Classifier':
        """As in every module; leaving training mode also waits for the label guard's pending checks."""
        if not mode and '_labels' in self.__dict__:
            self._labels.check(wait=True)
        return super().train(mode)

    def __getstate__(self) -> dict:
        # The compiled function belongs to this object: a copy, such as that of EMA, compiles its own.
        return {**super().__getstate__(), '_compiled_objective': None}

    def _of_no_image(self) -> dict[str, Tensor]:
        """A loss with zero gradients; momentum and weight decay act as in any step."""
        if get_world_size() > 1:
            raise ValueError(
                'None of the images of a batch could be read, and the other processes wait for the gradients of this '
                'one. Remove the files that the log names, or increase train_dataloader.batch_size.'
            )
        return {'loss_ce': sum(0 * parameter.sum() for parameter in self.parameters())}

    def check_classes(self, outputs: int, counted: str = '') -> None:
        """Raise ValueError unless there is one output per class of the training set, and more than one class.

        Args:
            outputs: Number of the network's outputs.
            counted: How they were counted, for the message, if not by running the network.
        """
        if self._checked:
            return
        classes = run_info('dataset_meta', {}).get('classes')
        if classes is not None and len(classes) != outputs:
            raise ValueError(
                f'The network has {outputs} outputs, and the training set {len(classes)} classes. '
                f'Set model.network.num_classes={len(classes)}.{counted}'
            )
        if classes is not None and len(classes) == 1:
            raise ValueError(
                f'The training set has only one class, {classes[0]}, so there is nothing to learn. Set '
                'train_dataloader.dataset.data_root to the folder that has a folder for each class, or for each split.'
            )
        self._checked = True


def check_settings(kwargs: dict, *more: str) -> None:
    """Raise ValueError if a keyword is neither a setting of `Classifier` nor in `more`."""
    check_keys('model', kwargs, [*settings_of(Classifier), *more])
