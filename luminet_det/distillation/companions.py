"""Companions: modules that train beside the student and are no part of its weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger

import torch
from mmengine.logging import MessageHub
from torch import nn

from luminet_det.distillation.running import current_hub

BESIDE = ('adaptors', 'peers')  # the student's attributes that hold what trains beside it


class Companions(nn.ModuleList):
    """What trains beside the student: the parts that losses learn, or the peers of mutual learning.

    It is a part of the student, so that the student's optimizer trains it, DDP reduces its gradients, and it moves with
    the student. But no `state_dict` of the student has its keys, and none that is loaded needs them: a checkpoint's
    `state_dict` is the plain student's. Beside it, in the checkpoint's message hub, it is saved for a resumed run.

    Args:
        modules: The modules.
        place: The student's attribute that holds them.
    """

    def __init__(self, modules: list[nn.Module], place: str) -> None:
        super().__init__(modules)
        self.place = place
        self._hub = None
        self._register_state_dict_hook(_leave_out)
        self.register_load_state_dict_post_hook(_miss_nothing)

    @property
    def kept_as(self) -> str:
        """The name under which mmengine's message hub, which every checkpoint holds, saves and restores them."""
        return f'luminet_det.{self.place}'

    def whole_state(self) -> dict:
        """Of all modules, what a `state_dict` of the student leaves out."""
        return {f'{i}.{key}': value for i, module in enumerate(self) for key, value in module.state_dict().items()}

    def restore(self) -> None:
        """Take the state of the checkpoint that this run goes on from, if it does, and have it saved from now on.

        In every step but the first of a run this does nothing.

        Raises:
            RuntimeError: The checkpoint's are others, or of other shapes.
        """
        hub = current_hub()
        if self._hub == hub.instance_name:
            return
        self._hub = hub.instance_name
        kept = hub.get_info(self.kept_as)
        if isinstance(kept, list):
            try:
                for module, state in zip(self, kept, strict=True):
                    module.load_state_dict(state)
            except (RuntimeError, ValueError) as error:
                raise RuntimeError(
                    f'The {self.place} in the checkpoint to resume are not those of `teacher` and `distill`; resume '
                    f'with the config of that run: {error}'
                ) from error
        hub.update_info(self.kept_as, Snapshot(self))


def require_same(model: nn.Module, checkpoint: dict) -> None:
    """Raise RuntimeError if what trained beside the student of a checkpoint is not what trains beside this one.

    Before an optimizer takes the checkpoint's state, which would fail on the number of its parameters.
    """
    for place, saved, own in _beside(model, checkpoint):
        if not _fit(saved, own):
            raise RuntimeError(
                f'The {place} in the checkpoint to resume are not those of `teacher` and `distill`; resume with the '
                'config of that run, or start from its weights alone: load_from=<checkpoint>, without --resume.'
            )


def bring_along(model: nn.Module, checkpoint: dict, hub: MessageHub, logger: Logger) -> None:
    """Have what trained beside the student of a checkpoint go on from there too, where this run has the same.

    Args:
        model: The student, with the weights of the checkpoint.
        checkpoint: What `load_from` names.
        hub: The run's, from which `Companions.restore` takes it.
        logger: The run's, which is told.
    """
    for place, saved, own in _beside(model, checkpoint):
        if not (saved and own):
            continue
        if _fit(saved, own):
            hub.update_info(f'luminet_det.{place}', saved)
            logger.info(f'The {place} come with the weights of load_from.')
        else:
            logger.warning(f'The {place} begin anew: those of load_from are not those of `teacher` and `distill`.')


def _beside(model: nn.Module, checkpoint: dict) -> Iterator[tuple[str, list[dict] | None, Companions | None]]:
    """Where companions may be, those of the checkpoint and the model's; nothing where neither has any."""
    kept = checkpoint.get('message_hub', {}).get('runtime_info', {})
    for place in BESIDE:
        saved, own = kept.get(f'luminet_det.{place}'), getattr(model, place, None)
        if saved is not None or own is not None:
            yield place, saved, own


def _fit(saved: list[dict] | None, own: Companions | None) -> bool:
    return [_shapes(state) for state in saved or ()] == [_shapes(module.state_dict()) for module in own or ()]


def _shapes(state: dict) -> dict:
    return {key: tuple(value.shape) for key, value in state.items()}


class Snapshot:
    """Companions as a checkpoint holds them: what mmengine copies, when it saves, is their state of that moment."""

    def __init__(self, companions: Companions) -> None:
        self.companions = companions

    def __deepcopy__(self, memo: dict) -> list[dict]:
        states = [module.state_dict() for module in self.companions]
        return [{key: value.cpu().clone() for key, value in state.items()} for state in states]


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within the context, the models evaluate without gradient, and no running statistic moves."""
    modes = [(module, module.training) for model in models for module in model.modules()]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _leave_out(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]
    versions = getattr(state, '_metadata', {})
    for key in [key for key in versions if f'{key}.'.startswith(prefix)]:
        del versions[key]


def _miss_nothing(module: Companions, incompatible_keys) -> None:
    own = {f'.{module.place}.{name}' for name in module.whole_state()}
    missing = incompatible_keys.missing_keys
    missing[:] = [key for key in missing if not any(f'.{key}'.endswith(name) for name in own)]
