"""All checkpoints are read with `weights_only=True`, whatever code reads them and wherever they come from."""

import errno
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from luminet_det.compat import safe_globals

FORCE, FORBID = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


def apply() -> None:
    """Register the globals of mm checkpoints and guard mmengine's loader; a second call does nothing.

    All of mmengine's ways to load a checkpoint (`Runner.load_checkpoint`, `Runner.resume`,
    `init_cfg=dict(type='Pretrained')`, `load_checkpoint`) use `CheckpointLoader.load_checkpoint`, for files, URLs and
    zoo names alike.
    """
    original = CheckpointLoader.load_checkpoint.__func__
    if getattr(original, 'weights_only', False):
        return
    safe_globals.register()

    def load_checkpoint(
        cls: type, filename: str, map_location: Any = None, logger: Any = 'current'
    ) -> dict | torch.Tensor:
        """mmengine's method, reading only plain weights; see `luminet_det.compat.checkpoints`."""

        def read() -> Any:
            path = os.path.expanduser(filename)
            if os.path.isfile(path):
                # Not left to mmengine: a fork of it allows additional globals while it reads a local file.
                return torch.load(path, map_location=map_location, weights_only=True)
            return original(cls, filename, map_location, logger)

        return _guarded(filename, read)

    load_checkpoint.weights_only = True
    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)


def load(path: str | Path, map_location: Any = 'cpu') -> dict:
    """Read a checkpoint: a local path, a URL, or any scheme that mmengine knows.

    Args:
        path: Path, URL or zoo name.
        map_location: As for `torch.load`.

    Returns:
        The dict in the file; for an mm checkpoint its weights are under `state_dict`.

    Raises:
        FileNotFoundError: There is no such file.
        pickle.UnpicklingError: The file holds more than plain weights and was refused.
        RuntimeError: The file is truncated or not a checkpoint.
    """
    apply()
    checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location)
    if not isinstance(checkpoint, dict):
        raise RuntimeError(f'{path} is not a checkpoint: it holds a {type(checkpoint).__name__}, not a dict')
    return checkpoint


@contextmanager
def _weights_only() -> Iterator[None]:
    """Within the context, every `torch.load` refuses code, even with `weights_only=False`."""
    if os.environ.get(FORBID, '0').lower() in ('1', 'y', 'yes', 'true'):
        raise RuntimeError(
            f'{FORBID} is set, which makes torch run code that a checkpoint contains. '
            f'luminet_det never loads checkpoints that way: unset {FORBID}.'
        )
    before = os.environ.get(FORCE)
    os.environ[FORCE] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def _guarded(path: str, read: Callable[[], Any]) -> Any:
    with _weights_only():
        try:
            return read()
        except FileNotFoundError as error:
            raise FileNotFoundError(f'no checkpoint at {path}') from error
        except OSError as error:
            # In a file that was cut off early, torch seeks to a place before its start.
            if error.errno == errno.EINVAL and (broken := _broken(path)):
                raise RuntimeError(broken) from error
            raise OSError(f'the checkpoint {path} could not be read: {error}') from error
        except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, TypeError, ValueError) as error:
            if found := _refused(error):
                # The chained message of torch advises `weights_only=False`; it is left out on purpose.
                raise pickle.UnpicklingError(
                    f'{path} was refused: besides weights it contains {found}, and none of that was run. '
                    'If you made the file, save only its weights, '
                    "`torch.save(checkpoint['state_dict'], 'weights.pth')`, or checkpoint['model'] as some call it, "
                    "or for a whole network `torch.save(network.state_dict(), 'weights.pth')`, and load that file."
                ) from None
            if 'CUDA' in str(error) or (broken := _broken(path)) is None:
                raise
            raise RuntimeError(broken) from error


def _refused(error: Exception) -> str | None:
    """The object in the file that was refused, or None if the file could not be read for another reason."""
    patterns = (
        r'GLOBAL (\S+).*? was not an allowed global',
        r'GLOBAL (numpy\.dtype\(.*?\)) is not a plain',
        r'unsupported GLOBAL (\S+) whose module',
        r'reduce for unrecognized function (.+)',
        r'(?:allowlisted via `add_safe_globals`,?|load of storage is allowed,) but got (.+)',
    )
    if isinstance(error, pickle.UnpicklingError):
        for pattern in patterns:
            if match := re.search(pattern, str(error)):
                return f'`{match[1]}`'
    return None


def _broken(path: str) -> str | None:
    """The message about a file that cannot be read, or None if there is no such file to blame."""
    if os.path.isfile(path):
        advice = 'Compare its size with the original and copy it again.'
    else:
        # The download from a URL: its broken copy would be opened every time.
        path = str(Path(torch.hub.get_dir()) / 'checkpoints' / Path(path).name)
        advice = 'Delete it, so that it is downloaded again.'
    if not os.path.isfile(path):
        return None
    return f'{path} is truncated or not a checkpoint ({os.path.getsize(path):,} bytes). {advice}'
