"""The loss of a term, from its config."""

import inspect
from difflib import get_close_matches

from mmdet.registry import MODELS as MMDET_MODELS
from torch import nn

from luminet_det.distillation.settings import check_keys, settings_of, takes_any
from luminet_det.registry import MODELS


def build_loss(setting: dict) -> nn.Module:
    """Build `dict(type='luminet_det.LumiNetLoss', ...)`.

    Raises:
        ValueError: There is no such loss, or it has no such setting; the message names the nearest known one.
    """
    if not isinstance(setting, dict) or 'type' not in setting:
        raise ValueError(f"loss={setting!r} of a distill term is not a dict(type='luminet_det.LumiNetLoss', ...).")
    kind = setting['type']
    try:
        loss_class = MODELS.get(kind) if isinstance(kind, str) else kind
    except KeyError:
        loss_class = None
    if loss_class is None or (isinstance(kind, str) and '.' not in kind and kind in MODELS.module_dict):
        known = [f'luminet_det.{name}' for name in MODELS.module_dict if name.endswith('Loss')]
        full = {name: f'mmdet.{name}' for name in MMDET_MODELS.module_dict if name.endswith('Loss')}
        full |= {name.partition('.')[2]: name for name in known}
        near = get_close_matches(kind.rpartition('.')[2], full, n=1)
        hint = f" Did you mean '{full[near[0]]}'?" if near else ''
        raise ValueError(
            f'There is no loss {kind!r}.{hint} Known: {", ".join(known)}, and losses such as mmdet.L1Loss.'
        )
    if inspect.isclass(loss_class) and not issubclass(loss_class, nn.Module):
        raise ValueError(f'{kind} cannot be the loss of a distill term: it is not a torch.nn.Module.')
    if not takes_any(loss_class):
        check_keys(kind, {*setting} - {'type'}, settings_of(loss_class), getattr(loss_class, 'symbols', None))
    try:
        return MODELS.build(setting)
    except (AssertionError, TypeError) as error:
        own = {key: value for key, value in setting.items() if key != 'type'}
        raise ValueError(f'{kind} does not accept the settings {own}: {error or "see its docstring"}') from error
