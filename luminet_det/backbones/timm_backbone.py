"""TimmBackbone: any `features_only` network of timm as the backbone of an mmdet detector."""

from collections.abc import Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from mmengine.model.weight_init import update_init_info
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from luminet_det.backbones.pretrained import pretrained_weights
from luminet_det.backbones.stages import count_stages, names_up_to_stage
from luminet_det.backbones.timm_network import create_network
from luminet_det.registry import MODELS


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A network of timm that gives feature maps (N, C_i, H_i, W_i), coarser ones last.

    It takes images of any size where the network can, and gives NCHW where timm's gives NHWC. What runs after the
    last output is not there, so that DistributedDataParallel finds a gradient for every parameter.

    Args:
        model_name: As in `timm.list_models()`; a tag after a dot (`'resnet18.a1_in1k'`) names the weights.
        out_indices: Which levels to give, in rising order; negative ones count from the last. timm counts them by
            network: where the first has stride 2, as in a ResNet, strides 4 to 32 are `(1, 2, 3, 4)`; where it has
            stride 4, as in Swin or ConvNeXt, they are `(0, 1, 2, 3)`.
        pretrained: True for the weights that timm publishes under this name, or the path of a file of them. They are
            loaded by `init_weights`, which mmengine calls before it trains a model; a teacher, whose weights are
            those of its own checkpoint, never asks for them.
        frozen_stages: As in mmdet's ResNet: 0 freezes the stem, which is what runs before the first level of stride
            4 or more, and k also the first k such levels; -1 freezes nothing. What is frozen stays in evaluation mode.
        norm_eval: Keep every BatchNorm in evaluation mode, for batches too small for statistics.
        drop_path_rate: Rate of stochastic depth.
        init_cfg: As in every module of mmengine; not together with `pretrained`.
        **timm_options: For `timm.create_model`, e.g. `embed_dim=48` of a Swin.

    Attributes:
        channels: C_i of each output.
        strides: Pixels of the image to one of each output, as timm reports them.

    Raises:
        ImportError: timm is not installed.
        ValueError: A name, level, stage or option is not among those that timm has.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int],
        pretrained: bool | str = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        drop_path_rate: float = 0.0,
        init_cfg: dict | list | None = None,
        **timm_options,
    ) -> None:
        super().__init__(init_cfg)
        if pretrained and init_cfg:
            raise ValueError(f'TimmBackbone has both pretrained={pretrained!r} and an init_cfg; keep one of them.')
        self.model_name = model_name
        self.pretrained = pretrained
        self.norm_eval = norm_eval
        self._create = partial(create_network, model_name, out_indices, drop_path_rate, timm_options)
        self.network, levels = self._create()
        self.out_indices = tuple(levels)
        self.channels, self.strides = (
            [self.network.feature_info[level][key] for level in levels] for key in ('num_chs', 'reduction')
        )
        self._is_nhwc = getattr(self.network, 'output_fmt', None) == 'NHWC'
        # timm's norms that apply the activation as well.
        self._fuses_norms = any(isinstance(m, _BatchNorm) and hasattr(m, 'act') for m in self.network.modules())
        self._frozen = self._names_to_freeze(frozen_stages)
        self._freeze()

    def init_weights(self) -> None:
        """As every module's, then `pretrained`."""
        super().init_weights()
        if not self.pretrained:
            return
        self.network.load_state_dict(pretrained_weights(lambda **loading: self._create(**loading)[0], self.pretrained))
        # Inside a detector mmengine notes of each parameter where its values come from, and logs that.
        if hasattr(self, '_params_init_info'):
            update_init_info(self, init_info=f'pretrained={self.pretrained!r} of the timm network {self.model_name}')

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images (N, 3, H, W).

        Raises:
            ValueError: The network takes images of one size only, and these have another.
        """
        try:
            features = self.network(inputs)
        except (AssertionError, RuntimeError) as error:
            self._explain_size(inputs, error)
            raise
        return tuple(f.permute(0, 3, 1, 2).contiguous() for f in features) if self._is_nhwc else tuple(features)

    def train(self, mode: bool = True) -> 'TimmBackbone':
        """Training mode, but for what is frozen and, with `norm_eval`, every BatchNorm."""
        super().train(mode)
        norms = [module for module in self.network.modules() if isinstance(module, _BatchNorm)]
        if self._fuses_norms and any(type(norm) is nn.SyncBatchNorm for norm in norms):
            raise RuntimeError(
                f"`sync_bn` has put norms without activation in the place of timm's BatchNormAct2d in "
                f'{self.model_name}. Remove sync_bn from the config; for small batches set norm_eval=True in the '
                'backbone.'
            )
        if self.norm_eval:
            for norm in norms:
                norm.eval()
        self._freeze()
        return self

    def _freeze(self) -> None:
        for name in self._frozen:
            module = self.network.get_submodule(name)
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad = False
            # One that also holds what is not frozen trains on.
            if not any(child is not module and child.training for child in module.modules()):
                module.training = False

    def _names_to_freeze(self, frozen_stages: int) -> list[str]:
        if frozen_stages < 0:
            return []
        most = count_stages(self.network, self.out_indices[-1])
        if frozen_stages > most:
            raise ValueError(
                f'frozen_stages={frozen_stages}, but {self.model_name} with out_indices={self.out_indices} has '
                f'{most} stages; -1 freezes nothing, 0 the stem.'
            )
        names = names_up_to_stage(self.network, frozen_stages, self.out_indices[-1])
        if names is None:
            raise ValueError(
                f'timm does not tell where the stages of {self.model_name} end; set frozen_stages=-1, or stop layers '
                'by name with optim_wrapper.paramwise_cfg.custom_keys and lr_mult=0.'
            )
        # Innermost first, so that a module knows whether all that it holds is frozen.
        return names[::-1]

    def _explain_size(self, inputs: Tensor, error: Exception) -> None:
        made_for = self.network.pretrained_cfg
        fixed = made_for.get('fixed_input_size') and not isinstance(error, torch.OutOfMemoryError)
        if fixed and tuple(inputs.shape[2:]) != tuple(made_for['input_size'][1:]):
            height, width = made_for['input_size'][1:]
            found = f'{inputs.shape[2]} x {inputs.shape[3]}'
            raise ValueError(
                f"timm's {self.model_name} is made for images of {height} x {width} and cannot take one of {found} "
                f'({str(error).rstrip(".")}). Choose a model_name that takes any size, such as a ResNet, ConvNeXt, '
                'Swin or PVT.'
            ) from error
