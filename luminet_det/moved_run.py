"""Resumes a run in another folder than it began in: mmengine's files contain the paths where they were saved."""

import shutil
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner


def own_last_checkpoint(cfg: Config) -> str | None:
    """The last checkpoint of a work dir that was moved or copied; None if mmengine finds it by itself.

    Args:
        cfg: With `work_dir`. If its checkpoints go elsewhere (`out_dir`), the result is None.
    """
    pointer = Path(cfg.work_dir) / 'last_checkpoint'
    if not pointer.is_file() or ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('out_dir'):
        return None
    saved = Path(pointer.read_text(encoding='utf-8').strip())
    here = pointer.with_name(saved.name).absolute()
    return str(here) if here.is_file() and here.resolve() != saved.resolve() else None


def take_best_along(runner: Runner, checkpoint: dict) -> None:
    """Make sure that the work dir has the best checkpoint that a resumed one names, and copy it if it does not.

    mmengine deletes it when there is a better one, and would otherwise do so in the folder where the run began.

    Args:
        runner: About to resume.
        checkpoint: As loaded; changed in place.
    """
    info = checkpoint.get('message_hub', {}).get('runtime_info', {})
    names = [name for name, path in info.items() if name.startswith('best_ckpt') and isinstance(path, str)]
    if any(isinstance(hook, CheckpointHook) and hook.out_dir is not None for hook in runner.hooks):
        return
    for name in names:
        saved = Path(info[name])
        here = Path(runner.work_dir) / saved.name
        if saved.resolve() == here.resolve():
            continue
        if is_main_process() and saved.is_file() and not here.is_file():
            shutil.copyfile(saved, here)
        barrier()
        if here.is_file():
            info[name] = str(here)
        else:
            # Remove its score too, which this run may not reach again.
            del info[name]
            info.pop(name.replace('best_ckpt', 'best_score'), None)
