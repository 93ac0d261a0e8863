"""MissedValidationHook: a run that was killed before its checkpoint was validated does that first when it resumes."""

from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from luminet_det.registry import HOOKS

RECORD = 'last_validation'  # beside mmengine's last_checkpoint


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Validate a resumed checkpoint that was due for it and is not validated yet.

    mmengine saves first and validates then, and goes on with training when it resumes: the validation of a run that was
    killed in between would be missing for good, and with it the score of the run if it was the last one. The iteration
    of the last validation stands in `<work_dir>/last_validation`. `tools/train.py` always adds the hook.
    """

    # After the hooks that count what is validated, as ResultHook, have taken up the resumed run.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Validate first if that is due."""
        self._training = True
        record = Path(runner.work_dir) / RECORD
        if not runner.iter and is_main_process():
            record.unlink(missing_ok=True)
        # The first process decides for all: others may have a work dir of their own.
        missed = [is_main_process() and _is_due(runner) and runner.iter > _last(record)]
        broadcast_object_list(missed)
        if missed[0]:
            runner.logger.info('The resumed checkpoint was not validated before its run ended; that comes first.')
            runner.val_loop.run()
            runner.model.train()
            runner.message_hub.update_info('loop_stage', 'train')

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Note the iteration."""
        if self._training and is_main_process():
            (Path(runner.work_dir) / RECORD).write_text(f'{runner.iter}\n', encoding='utf-8')

    def after_train(self, runner: Runner) -> None:
        """What is validated from here on is no part of the training."""
        self._training = False


def _is_due(runner: Runner) -> bool:
    """Whether the loop would validate now, had it just trained the iteration that the checkpoint is of."""
    loop = runner.train_loop
    if runner.val_loop is None or not runner.iter:
        return False
    loop._decide_current_val_interval()
    if isinstance(loop, EpochBasedTrainLoop):
        within_epoch = runner.iter % len(loop.dataloader)
        done, total = 0 if within_epoch else runner.epoch, loop.max_epochs
    else:
        done, total = runner.iter, loop.max_iters
    return done >= max(loop.val_begin, 1) and (done % loop.val_interval == 0 or done == total)


def _last(record: Path) -> int:
    return int(record.read_text(encoding='utf-8')) if record.is_file() else 0
