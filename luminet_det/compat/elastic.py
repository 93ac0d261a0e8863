"""Runs that torchrun starts, and starts again when it has lost a process.

What outlives the processes is the store in which torchrun's agents meet; `tools/dist_train.sh` says where it is.
Not TORCHELASTIC_RESTART_COUNT: on several machines each agent counts only its own failures.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config
from torch.distributed import DistError, TCPStore

KEY = 'luminet_det/last_checkpoint'


def adopt_checkpoint(cfg: Config) -> None:
    """Have a run that was started again go on from the last checkpoint it has saved.

    The first process to come leaves in the store what the work dir's last checkpoint was before the run. If it
    is another one now, the run has saved it. Until then every start is as the first: from the beginning, or from
    the checkpoint that `resume` names.
    """
    host, _, port = os.environ.get('LUMINET_DET_STORE', '').rpartition(':')
    if not host:
        return
    pointer = Path(cfg.work_dir) / 'last_checkpoint'
    now = f'{pointer.read_text()} {pointer.stat().st_mtime_ns}' if pointer.is_file() else 'none'
    store = TCPStore(host, int(port), is_master=False)
    if store.compare_set(KEY, '', now).decode() != now:
        cfg.resume, cfg.load_from = True, None


@contextmanager
def not_repeated(begun: Callable[[], bool]) -> Iterator[None]:
    """Have torchrun not start again what would fail again.

    That is all that fails in this context before `begun`, for a wrong setting stays wrong, and later a run whose
    numbers are none any more, which a resumed one repeats. A connection lost to another process is no such failure.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        stays = not begun() or isinstance(error, FloatingPointError)
        if _agent() and stays and not isinstance(error, DistError):
            if isinstance(error, Exception):
                traceback.print_exc()
            end()
        raise


def end() -> None:
    """Have torchrun end the run instead of starting it again; without torchrun, nothing."""
    if agent := _agent():
        os.kill(agent, signal.SIGTERM)


def _agent() -> int | None:
    """The process of torchrun that started this one."""
    return os.getppid() if 'TORCHELASTIC_RUN_ID' in os.environ else None
