"""Companions: modules that train together with the student but are not part of its weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger

import torch
from mmengine.logging import MessageHub
from torch import nn

from luminet_det.distillation.running import current_hub

BESIDE = ('adaptors', 'peers')  # the student's attributes that hold companions


class Companions(nn.ModuleList):
    """Modules that train together with the student: the learned layers of losses, or the peers of mutual learning.

    They are submodules of the student, so its optimizer trains them, DDP reduces their gradients, and they move with
    the student. But the student's `state_dict` does not have their keys, and loading one does not need them: the
    `state_dict` in a checkpoint is that of the plain student. For a resumed run, their state is saved in the
    checkpoint's message hub.

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
        """The state of all modules, which the student's `state_dict` leaves out."""
        return {f'{i}.{key}': value for i, module in enumerate(self) for key, value in module.state_dict().items()}

    def restore(self) -> None:
        """Load the state from the checkpoint, if this run continues from one, and have it saved from now on.

        After the first step of a run this does nothing.

        Raises:
            RuntimeError: The checkpoint has other modules, or modules of other shapes.
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
                    f'The {self.place} in the checkpoint to resume do not match `teacher` and `distill`; resume '
                    f'with the config of that run: {error}'
                ) from error
        hub.update_info(self.kept_as, Snapshot(self))


def require_same(model: nn.Module, checkpoint: dict) -> None:
    """Raise RuntimeError if the companions in a checkpoint do not match those of the model.

    To be called before the optimizer loads its state, which would fail on the number of parameters.
    """
    for place, saved, own in _beside(model, checkpoint):
        if not _fit(saved, own):
            raise RuntimeError(
                f'The {place} in the checkpoint to resume do not match `teacher` and `distill`; resume with the '
                'config of that run, or start from only its weights: load_from=<checkpoint>, without --resume.'
            )


def bring_along(model: nn.Module, checkpoint: dict, hub: MessageHub, logger: Logger) -> None:
    """Have the companions in a checkpoint continue their training too, where they match those of this run.

    Args:
        model: The student, with the weights of the checkpoint.
        checkpoint: The checkpoint that `load_from` names.
        hub: The run's message hub, from which `Companions.restore` takes them.
        logger: The run's logger.
    """
    for place, saved, own in _beside(model, checkpoint):
        if not (saved and own):
            continue
        if _fit(saved, own):
            hub.update_info(f'luminet_det.{place}', saved)
            logger.info(f'The {place} are loaded from load_from, like the weights.')
        else:
            logger.warning(f'The {place} of load_from are not loaded: they do not match `teacher` and `distill`.')


def _beside(model: nn.Module, checkpoint: dict) -> Iterator[tuple[str, list[dict] | None, Companions | None]]:
    """For each place in `BESIDE`, the companions of the checkpoint and of the model, unless neither has any."""
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
    """Companions as a checkpoint holds them: when mmengine copies this on saving, it gets their current state."""

    def __init__(self, companions: Companions) -> None:
        self.companions = companions

    def __deepcopy__(self, memo: dict) -> list[dict]:
        states = [module.state_dict() for module in self.companions]
        return [{key: value.cpu().clone() for key, value in state.items()} for state in states]


@contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within the context, the models are in eval mode and without gradients, so no running statistics change."""
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
