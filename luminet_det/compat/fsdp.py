"""ShardedStrategy: mmengine's FSDP strategy, made to work with current torch and without GPUs."""

from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.optim import BaseOptimWrapper
from mmengine.registry import STRATEGIES
from torch import Tensor, nn
from torch.distributed.fsdp import FullOptimStateDictConfig, FullStateDictConfig
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

from luminet_det.class_name import class_name
from luminet_det.configured_hooks import configured_hooks


@STRATEGIES.register_module()
class ShardedStrategy(FSDPStrategy):
    """Fully sharded data parallel: weights, gradients and optimizer state are split over the processes.

    The student becomes one FSDP unit: its weights are gathered for the forward pass and kept until backward has
    ended. The teacher, which is not a submodule of the student, stays whole on every process. Compared with mmengine's
    strategy:

    - Checkpoints are the same as those of a run without sharding, optimizer included: one file, whole tensors, stock
      names. Sharded runs can resume from unsharded ones and the other way round.
    - `clip_grad` of type 'norm' uses the norm of the whole gradient; mmengine would use that of a shard.
    - Resuming works: mmengine passes the optimizer state in the argument order of torch 2.0.
    - It runs on CPUs, by gloo.

    Args:
        **kwargs: As for `mmengine._strategy.FSDPStrategy`, without `state_dict_cfg`: checkpoints are always whole.
    """

    def __init__(self, **kwargs) -> None:
        # On a CPU, "offloaded" parameters would be read after they were freed.
        gathered = dict(rank0_only=True, offload_to_cpu=torch.cuda.is_available())
        whole = dict(
            state_dict_type='FULL_STATE_DICT',
            state_dict_config=FullStateDictConfig(**gathered),
            optim_state_dict_config=FullOptimStateDictConfig(**gathered),
        )
        super().__init__(state_dict_cfg=whole, **kwargs)

    def build_optim_wrapper(self, optim_wrapper: Any, model: nn.Module | None = None) -> BaseOptimWrapper:
        """Like mmengine's, but gradients are clipped by their norm over all shards."""
        built = super().build_optim_wrapper(optim_wrapper, model)
        if getattr(built, 'clip_func', None) is nn.utils.clip_grad_norm_:
            built.clip_func = lambda parameters, **limits: model.clip_grad_norm_(**limits)
        return built

    def optim_state_dict(self) -> dict:
        """The whole optimizer state on the first process, numbered as `torch.optim.Optimizer` numbers it."""
        state = super().optim_state_dict()
        if not is_main_process():
            return state
        numbered = _renamed(state, {name: i for i, name in enumerate(self._names())})
        return _beside(self.optim_wrapper.state_dict()) | numbered

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load this process's shard of a whole optimizer state."""
        named = _renamed(state_dict, dict(enumerate(self._names())))
        shard = FSDP.optim_state_dict_to_load(self.model, self.optim_wrapper.optimizer, named)
        self.optim_wrapper.load_state_dict(_beside(state_dict) | shard)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        # This package's `Companions`, whose keys are in no state_dict.
        if held := [part.place for part in model.children() if hasattr(part, 'kept_as') and list(part.parameters())]:
            raise ValueError(
                f'--fsdp cannot save what trains together with the student ({", ".join(held)}). Leave out --fsdp, or '
                'use frozen teachers, and losses without learned layers.'
            )
        wrapper = dict(type='MMFullyShardedDataParallel')
        if not torch.cuda.is_available():
            wrapper['device_id'] = torch.device('cpu')
        self.model_wrapper = wrapper | (self.model_wrapper or {})
        return super()._wrap_model(model)

    def _names(self) -> list[str]:
        """Names of the parameters in the optimizer's order."""
        prefix = '_fsdp_wrapped_module.'
        names = {parameter: name.replace(prefix, '') for name, parameter in self.model.named_parameters()}
        # The `param_groups` of the wrapper itself have one more group, without parameters of the model.
        groups = self.optim_wrapper.optimizer.param_groups
        return [names[parameter] for group in groups for parameter in group['params']]


def shard(cfg: Config) -> None:
    """Have the run of `cfg` sharded, keeping the other settings of its `strategy`.

    Raises:
        ValueError: There is an EMAHook, or only one process.
    """
    if cfg.launcher == 'none':
        raise ValueError('--fsdp shards over several processes: start it by tools/dist_train.sh or slurm_train.sh.')
    if any(class_name(hook) == 'EMAHook' for hook in configured_hooks(cfg).values()):
        raise ValueError(
            'EMAHook averages whole weights, but with --fsdp each process has only a part of them: remove one of the '
            'two.'
        )
    if class_name(cfg.optim_wrapper) == 'AmpOptimWrapper':
        # Otherwise each process would look for overflow in its own shard, and skip steps that others take.
        cfg.optim_wrapper.use_fsdp = True
    cfg.runner_type = 'FlexibleRunner'
    cfg.strategy = dict(cfg.get('strategy') or {}, type='ShardedStrategy')


def _beside(state: dict[str, Any]) -> dict[str, Any]:
    """What an OptimWrapper adds to its optimizer's state: the base settings of `paramwise_cfg`, the loss scale."""
    return {key: value for key, value in state.items() if key not in ('state', 'param_groups')}


def _renamed(state: dict[str, Any], names: dict) -> dict[str, dict[Any, Tensor] | list[dict]]:
    """An optimizer's `state_dict` with its parameters renamed."""
    groups = [dict(group, params=[names[name] for name in group['params']]) for group in state['param_groups']]
    return dict(state=dict((names[name], value) for name, value in state['state'].items()), param_groups=groups)
