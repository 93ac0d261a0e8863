"""Teacher: a frozen model held outside the student's module tree."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from luminet_det import category_order
from luminet_det.compat import checkpoints
from luminet_det.distillation.fusion import fuse_conv_bn
from luminet_det.distillation.image_channels import image_channels
from luminet_det.distillation.norms import batch_norms, batch_statistics
from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.teacher_config import apart, build_model, names_of_classes, resolve, weights_of
from luminet_det.distillation.weights import load_strictly

# In the order of Teacher's arguments.
SETTINGS = (
    'config', 'checkpoint', 'dtype', 'compile', 'channels_last', 'batch_size', 'classes', 'batch_statistics',
    'fuse_conv_bn',
)  # fmt: skip
# Side in pixels of the example image that shows a detector's shapes: four cells of the coarsest level.
EXAMPLE_SIZE = 512
DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16, 'fp32': torch.float32}


class Teacher:
    """A frozen detector or classifier, built when training starts and kept out of the student's module tree.

    It is not an `nn.Module`, so it does not appear in the student's `state_dict`, `parameters`, DDP buckets or EMA
    copy. A deepcopy shares it; a pickle carries only its settings.

    Args:
        config: A zoo name (`mmdet::...`, whose published weights come along), a config path or a model dict.
        checkpoint: Path or URL of the weights. Defaults to the zoo's, else to those of the model's `init_cfg` of
            type `Pretrained`. The config's `load_from` is not used: it names the weights that training started from.
        dtype: `'bf16'`, `'fp16'` or `'fp32'`; weights are stored and layers run in it, while RoIs are pooled in
            float32. Defaults to the student's dtype.
        compile: True or a dict of `torch.compile` options; compiles backbone and neck, or a classifier's network.
        channels_last: Keep images and weights in the channels-last layout, which is faster for convolutions on CPUs
            and for half precision on GPUs.
        batch_size: Number of images in each forward pass of the teacher; by default 4 for detectors, the whole batch
            for classifiers and with `batch_statistics`. The teacher's activations come on top of those that the student
            keeps for backward, so running the batch in parts keeps peak memory at the student's own.
        classes: Class names in the order of the teacher's logits, for a checkpoint that does not name them.
        batch_statistics: Have its norms use the statistics of the batch, as in training, without changing the running
            ones. The published runs of OFD and FCFD did this.
        fuse_conv_bn: Fold its BatchNorms into the convolutions before them, in backbone and neck or in a classifier's
            network. The teacher gets faster and its outputs stay the same up to rounding, which is checked.

    Raises:
        ValueError: A setting is unknown; or the teacher has no weights, has class names in another order than the
            annotation file it was trained on, or has no norms that can be folded (the last three raised by `build`).
        FileNotFoundError: Config or checkpoint do not exist.
        RuntimeError: The checkpoint does not fit the config (raised by `build`).
    """

    def __init__(
        self,
        config: str | dict,
        checkpoint: str | None = None,
        dtype: str | None = None,
        compile: bool | dict = False,
        channels_last: bool = False,
        batch_size: int | None = None,
        classes: list[str] | None = None,
        batch_statistics: bool = False,
        fuse_conv_bn: bool = False,
    ) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise ValueError(f'teacher.dtype={dtype!r} is unknown; choose one of {sorted(DTYPES)}.')
        if batch_size is not None and batch_size < 1:
            raise ValueError(f'teacher.batch_size={batch_size!r} must be at least 1.')
        switches = dict(channels_last=channels_last, batch_statistics=batch_statistics, fuse_conv_bn=fuse_conv_bn)
        for name, value in switches.items():
            if not isinstance(value, bool):
                raise ValueError(f'teacher.{name}={value!r} must be True or False.')
        if not isinstance(compile, (bool, dict)):
            raise ValueError(f'teacher.compile={compile!r} must be True, False or a dict of torch.compile options.')
        if batch_statistics and batch_size is not None:
            raise ValueError(
                f'teacher.batch_size={batch_size} splits the batch, but teacher.batch_statistics=True needs the '
                'statistics of the whole batch: remove one of them.'
            )
        if isinstance(classes, str):
            raise ValueError(f'teacher.classes={classes!r} is a single string; write teacher.classes=({classes!r},).')
        if batch_statistics and fuse_conv_bn:
            raise ValueError(
                'teacher.batch_statistics=True needs BatchNorms, but teacher.fuse_conv_bn=True folds them into '
                'convolutions: remove one of the two.'
            )
        self.config = config
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.compile = compile
        self.channels_last = channels_last
        self.batch_size = batch_size
        self.classes = tuple(classes) if classes else None
        self.batch_statistics = batch_statistics
        self.fuse_conv_bn = fuse_conv_bn
        self.folded = 0
        self._model: nn.Module | None = None
        self._norms: Sequence[nn.Module] = ()  # those that use batch statistics

    @classmethod
    def from_setting(cls, setting: 'str | dict') -> 'Teacher':
        """Read one `teacher=` value: a name or path, a model dict, or `dict(config=..., checkpoint=...)`."""
        if isinstance(setting, str):
            return cls(setting)
        if not isinstance(setting, dict):
            raise ValueError(
                f'teacher={setting!r} is a {type(setting).__name__}; give a zoo name, a config path, a model '
                'dict, or dict(config=..., checkpoint=...).'
            )
        if 'type' in setting and 'config' not in setting:
            return cls(setting)
        check_keys('teacher', setting, (*SETTINGS, 'trainable'))
        if 'config' not in setting:
            raise ValueError("teacher=dict(...) lacks the key 'config': a zoo name, a path or a model dict.")
        return cls(**{key: value for key, value in setting.items() if key != 'trainable'})

    # Whether it learns from the student too: see `Peer`.
    trainable = False

    def as_tested(self) -> 'Teacher':
        """A new teacher, not built yet, without the settings for training: its outputs are those of its validation."""
        return Teacher(self.config, self.checkpoint, classes=self.classes)

    @property
    def model(self) -> nn.Module:
        """The built model. Raises RuntimeError before `build`."""
        if self._model is None:
            raise RuntimeError('The teacher is built when training starts; call `build()` first.')
        return self._model

    @property
    def built(self) -> bool:
        return self._model is not None

    @property
    def name(self) -> str:
        """What the config calls this teacher."""
        return self.config if isinstance(self.config, str) else str(self.config.get('type'))

    # Under mmengine's `compile=True` the building must not be traced: modules are incomplete until it ends.
    @torch.compiler.disable
    def build(self, accept: Callable[[nn.Module], None] = lambda model: None) -> None:
        """Resolve the config, load the weights strictly and freeze the model. A second call does nothing.

        The random state is restored, so a student draws the same random numbers with and without a teacher.

        Args:
            accept: Called with the model before its weights are fetched; raises if it cannot teach the student.
        """
        if self.built:
            return
        config = resolve(self.config)
        self._came_along = self.checkpoint is None
        self.checkpoint = self.checkpoint or weights_of(config)
        if self.checkpoint is None:
            raise ValueError(
                f'The teacher {self.name!r} has no weights: a random teacher teaches nothing. '
                "Write teacher=dict(config=..., checkpoint='path/to/weights.pth'). Weights that a library fetches "
                'itself (pretrained=True, weights=...) do not count: save them by torch.save(model.state_dict(), path).'
            )
        with apart(config):
            model = build_model(config)
            accept(model)
            checkpoint = self._load(model)
            if not self.classes and (names := names_of_classes(checkpoint, config)):
                category_order.check_trained(names, (config.get('train_dataloader') or {}).get('dataset'))
                self.classes = names
        model = model.eval().requires_grad_(False)
        if self.fuse_conv_bn:
            self.folded = self._fold(model)
        if self.batch_statistics:
            self._norms = batch_norms(model)
        self._model = model
        if self.channels_last:
            self._model.to(memory_format=torch.channels_last)
        if self.compile:
            self._compile()

    @torch.compiler.disable
    def architecture(self) -> nn.Module:
        """A model of the teacher's architecture with random weights, to see its shapes; it is not kept."""
        config = resolve(self.config)
        with apart(config):
            return build_model(config)

    def follow(self, student: nn.Module) -> None:
        """Move to the student's device and, where no `dtype` is set, to its dtype."""
        if not self.built:
            return
        theirs, mine = next(student.parameters()), next(self.model.parameters())
        dtype = DTYPES.get(self.dtype, theirs.dtype)
        if (mine.device, mine.dtype) == (theirs.device, dtype):
            return
        self.model.to(theirs.device)
        for name, child in self.model.named_children():
            # Rounded to half precision, the pixel mean and std would no longer equal the student's.
            if name != 'data_preprocessor' or self.dtype is None:
                child.to(dtype)

    def run(self, forward: Callable[[nn.Module, Tensor], dict], inputs: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """Run a part of the model on teacher-normalised images.

        Args:
            forward: Called with the model and the images; returns named tuples of feature maps.
            inputs: (N, 3, H, W).

        Returns:
            What `forward` returns, in float32 if a `dtype` is set.

        Raises:
            RuntimeError: The device cannot compute in `dtype`.
        """
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        try:
            with self.answering(inputs.device.type):
                maps = forward(self.model, inputs)
        except RuntimeError as error:
            if self.dtype and 'not implemented' in str(error):
                raise RuntimeError(
                    f'{inputs.device} cannot run the teacher in teacher.dtype={self.dtype!r}: {error}. Set another '
                    "dtype, or remove the setting to use the student's dtype."
                ) from error
            raise
        # RoIAlign has no bf16 kernel in compiled mmcv, so features are returned in float32.
        return {name: tuple(f.float() for f in levels) for name, levels in maps.items()} if self.dtype else maps

    def answering(self, device_type: str) -> AbstractContextManager[None]:
        """The context in which the teacher's layers run: in `dtype` and with `batch_statistics`, where set."""
        # torch 2.5 breaks a compiled step in two at a context manager of our own.
        return self._answering(device_type) if self.dtype or self._norms else nullcontext()

    @contextmanager
    def _answering(self, device_type: str) -> Iterator[None]:
        dtype = DTYPES.get(self.dtype)
        autocast = torch.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32) if dtype else nullcontext()
        with autocast, batch_statistics(self._norms):
            yield

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    def __reduce__(self):
        return Teacher, tuple(getattr(self, name) for name in SETTINGS)

    def _load(self, model: nn.Module) -> dict:
        try:
            checkpoint = checkpoints.load(self.checkpoint, map_location='cpu')
            # A classifier also reads checkpoints of other projects.
            weights = model.own_weights(checkpoint) if hasattr(model, 'own_weights') else checkpoint
            load_strictly(model, weights, source=self.checkpoint)
        except (OSError, RuntimeError, UnpicklingError) as error:
            if self._came_along:
                advice = "Get that file and write teacher=dict(config=..., checkpoint='path/to/it.pth')."
            else:
                advice = "Change `checkpoint` of the model's `teacher`."
            raise type(error)(
                f'The teacher {self.name} cannot be loaded: {str(error).rstrip(".")}. {advice}'
            ) from error
        return checkpoint

    def _compile(self) -> None:
        options = self.compile if isinstance(self.compile, dict) else {}
        for part in ('backbone', 'neck', 'network'):
            if (module := getattr(self.model, part, None)) is not None:
                module.compile(**options)

    def _fold(self, model: nn.Module) -> int:
        size = getattr(model, 'image_size', EXAMPLE_SIZE)
        image = torch.randn(1, image_channels(model), size, size, generator=torch.Generator().manual_seed(0))
        try:
            return fuse_conv_bn(model, lambda: _maps(model, image))
        except (RuntimeError, ValueError) as error:
            raise type(error)(
                f'The norms of the teacher {self.name} cannot be folded (tried on an image of {size} pixels): {error}. '
                'Remove teacher.fuse_conv_bn.'
            ) from error


def _maps(model: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """The feature maps of a detector's backbone and neck, or all outputs of a classifier."""
    if not hasattr(model, 'backbone'):
        outputs = model.outputs(images)
        embedding = () if outputs.embedding is None else (outputs.embedding,)
        return outputs.logits, *outputs.features, *outputs.before_relu, *embedding
    maps = model.backbone(images)
    return *maps, *(model.neck(maps) if model.with_neck else ())
