"""MissedValidationHook: validates a resumed checkpoint if the run was killed before it did."""

from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook, Hook, ParamSchedulerHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from luminet_det.registry import HOOKS
from luminet_det.whole_file import write_text

RECORD = 'last_validation'  # next to mmengine's last_checkpoint
FOLLOWED = 'followed_validation'  # in the message hub, which checkpoints hold


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Validate a resumed checkpoint whose validation is due but has not been done.

    mmengine saves before it validates, and continues with training when it resumes: the validation of a run that was
    killed in between would be missing for good, and with the last validation the score of the run. The iteration of the
    last validation is kept in `<work_dir>/last_validation`. `tools/train.py` always adds the hook.

    With a schedule that depends on the scores, such as `ReduceOnPlateauLR`, a resumed checkpoint is validated again,
    since its schedule was saved before the validation; unless the checkpoint was saved once more during its validation,
    as happens after a best score.
    """

    # After hooks that keep a history of validations, such as ResultHook, have restored it.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Validate first if that is due."""
        self._training = True
        last = _read(runner)
        if last > runner.iter and is_main_process():
            # A new run, or one resumed from an earlier checkpoint: it has yet to repeat the later validations.
            _write(runner)
        followed = runner.message_hub.get_info(FOLLOWED, 0) == runner.iter
        # The first process decides for all: the others may have another work dir.
        reason = [_reason(runner, last < runner.iter, followed) if _is_due(runner) else '']
        broadcast_object_list(reason)
        if reason[0]:
            runner.logger.info(f'{reason[0]}, so it is validated first.')
            for hook in runner.hooks:
                # With this set, mmengine saves the checkpoint once more, with the best score so far.
                if isinstance(hook, CheckpointHook):
                    hook.last_ckpt = runner.message_hub.get_info('last_ckpt')
            hooks = runner.hooks
            if followed:
                # Schedules that already have this score would count it twice.
                runner._hooks = [hook for hook in hooks if not isinstance(hook, ParamSchedulerHook)]
            runner.val_loop.run()
            runner._hooks = hooks
            runner.model.train()
            runner.message_hub.update_info('loop_stage', 'train')

    def before_val_epoch(self, runner: Runner) -> None:
        """Note the iteration for later checkpoints: schedules take the score before the hooks that save run."""
        if self._training:
            runner.message_hub.update_info(FOLLOWED, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the iteration to the work dir."""
        if self._training and is_main_process():
            _write(runner)

    def after_train(self, runner: Runner) -> None:
        """Validations from here on are not part of the training."""
        self._training = False


def _is_due(runner: Runner) -> bool:
    """Whether the loop would validate now if it had just trained the iteration of the checkpoint."""
    loop = runner.train_loop
    if runner.val_loop is None or not runner.iter:
        return False
    loop._decide_current_val_interval()
    if isinstance(loop, EpochBasedTrainLoop):
        within_epoch = runner.iter != runner.epoch * len(loop.dataloader)
        done, total = 0 if within_epoch else runner.epoch, loop.max_epochs
    else:
        done, total = runner.iter, loop.max_iters
    return done >= max(loop.val_begin, 1) and (done % loop.val_interval == 0 or done == total)


def _reason(runner: Runner, missing: bool, followed: bool) -> str:
    """Why a checkpoint whose validation is due has to be validated; empty if it does not."""
    if missing:
        return f'{runner.work_dir} has no validation of the resumed checkpoint'
    if followed or not _follows_scores(runner):
        return ''
    return 'A schedule of the resumed checkpoint depends on the scores and was saved before its validation'


def _follows_scores(runner: Runner) -> bool:
    """Whether a schedule takes the score of each validation, as `ReduceOnPlateauLR` does."""
    schedules = runner.param_schedulers or []
    of_each = schedules.values() if isinstance(schedules, dict) else [schedules]
    return any(getattr(schedule, 'need_val_args', False) for some in of_each for schedule in some)


def _read(runner: Runner) -> int:
    """The iteration of the last validation; 0 if there was none."""
    try:
        return int((Path(runner.work_dir) / RECORD).read_text(encoding='utf-8'))
    except (FileNotFoundError, ValueError):
        return 0


def _write(runner: Runner) -> None:
    write_text(Path(runner.work_dir) / RECORD, f'{runner.iter}\n')
