"""Runs started by torchrun, which restarts them when it has lost a process.

The state that outlives the processes is in the store where torchrun's agents meet; `tools/dist_train.sh` says where it
is. TORCHELASTIC_RESTART_COUNT is not used: on several machines each agent counts only its own failures.
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
    """Have a restarted run resume from the last checkpoint that it has saved.

    The first process to arrive notes in the store which checkpoint was the work dir's last before the run. If it is
    another one now, the run has saved it. Until then every start is like the first: from the beginning, or from the
    checkpoint that `resume` names.
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
    """Keep torchrun from restarting a run that would fail again.

    That is any failure in this context before `begun`, as a wrong setting stays wrong, and later a FloatingPointError,
    which a resumed run would repeat. A lost connection to another process is not such a failure.
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
    """Have torchrun end the run instead of restarting it; does nothing without torchrun."""
    if agent := _agent():
        os.kill(agent, signal.SIGTERM)


def _agent() -> int | None:
    """The id of torchrun's process that started this one."""
    return os.getppid() if 'TORCHELASTIC_RUN_ID' in os.environ else None
