"""ExactResumeHook: lets a resumed run continue as if it had never stopped."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint

from luminet_det import moved_run, saved_config, seen_batches
from luminet_det.compat import checkpoints
from luminet_det.distillation.companions import bring_along, require_same
from luminet_det.hooks.remembered import remember, remembered
from luminet_det.registry import HOOKS
from luminet_det.seeded_batches import RestOfEpoch, SeededBatches
from luminet_det.seeds import DATA, STEP, seed_generators
from luminet_det.unwrapped import unwrapped

MOST_CHANGES = 20  # lines of a warning
# Settings of which the checkpoint restores the old values, so a change has less effect than one might expect.
KEPT = ('optim_wrapper.optimizer.', 'param_scheduler', 'train_cfg.max_')


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Make a run that is killed and resumed compute the same losses as an uninterrupted one.

    mmengine restores weights, optimizer and schedules, but no random state. This hook does not store it either: before
    each step, and before each batch that the main process loads, Python's, numpy's and torch's generators are seeded
    from (seed, rank, iteration), so that any number of ranks can stop anywhere.

    - Loader processes seed each batch in the same way (`luminet_det.seen_batches`), so a batch is the same whichever
      process loads it, and a resumed run skips the batches already trained on without reading them. In an epoch-based
      run the processes are restarted in each epoch. In an iteration-based run with a finite sampler, mmengine replays
      the earlier batches.
    - A checkpoint from the middle of an epoch resumes in the middle of that epoch, and epoch and iteration stay
      consistent. Without this hook, mmengine restarts the epoch but keeps counting iterations, so every schedule by
      iteration is off from there on.

    - With several processes, the student that is validated is the one that is saved: before validation, all processes
      take the running statistics of the first, because only these are saved. Otherwise each process would use its own,
      and a resumed run would score differently.

    - A warning lists settings of model, data, loop, optimizer and hooks that differ from those of the checkpoint, and a
      different number of processes, since `batch_size` is per process.
    - If the run resumes in another work dir, the best checkpoint so far is copied there.

    - State that mmdet's modules keep outside their weights is saved: the size drawn by `BatchSyncRandomResize`, as in
      RTMDet's and YOLOX's configs, and Dynamic R-CNN's statistics. Images cached by `CachedMosaic` and `CachedMixUp`
      are not saved. In an epoch-based run, loader processes start each epoch with an empty cache; in an iteration-based
      run, all earlier images are read again. With these two transforms, an epoch-based run without loader processes
      (num_workers=0) is not resumed exactly.

    The hook costs about 0.03 ms per step. Exact means equal floats as far as the kernels are deterministic; on a GPU
    set `randomness = dict(deterministic=True)` too.
    """

    # After every other hook: whatever they draw, the step and the batches come out the same.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._progress: Sequence[int] | None = None  # (batches done, batches in all) of the resumed epoch
        self._began: dict[int, int] = {}  # running epoch -> the iteration it began with
        self._validating = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember how far into its epoch the checkpoint is, and warn of settings that have changed since.

        If the checkpoint is not resumed but comes from `load_from`, only restore what trained beside its student.

        Raises:
            RuntimeError: The checkpoint to resume has only weights, or is from a run with another optimizer or with
                other trained parts beside the student.
        """
        meta = checkpoint.get('meta', {})
        self._progress = meta.get('epoch_progress')
        if not runner._resume:
            bring_along(unwrapped(runner.model), checkpoint, runner.message_hub, runner.logger)
            return
        _require_whole(runner, checkpoint)
        require_same(unwrapped(runner.model), checkpoint)
        remember(unwrapped(runner.model), checkpoint.get('remembered', {}))
        moved_run.take_best_along(runner, checkpoint)
        if kept := meta.get('cfg'):
            processes, now = meta.get('processes'), get_world_size()
            changes = [f'processes: {processes} -> {now}'] if processes not in (None, now) else []
            _tell_changes(runner, [*changes, *saved_config.changes(kept, runner.cfg.pretty_text)])

    def before_train(self, runner: Runner) -> None:
        """Seed the batches of an iteration-based loop, before it replays those that a resumed run has seen."""
        loop = runner.train_loop
        self._warn_of_other_order(runner)
        if hasattr(loop, 'dataloader_iterator'):
            loop.dataloader_iterator = SeededBatches(loop.dataloader_iterator, partial(self._seed, runner, DATA))
            if hasattr(loop.dataloader, 'seen'):
                loop.dataloader.seen.pass_over(loop, runner.iter)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the loader of an epoch-based loop, and let it skip what a resumed run has already trained on."""
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            return
        done = self._batches_done(runner) if runner.iter else 0
        self._progress = None
        start = runner.iter - done
        self._began = {runner.epoch: start}
        # torch keeps persistent loader processes in this private attribute; clearing it ends them.
        loop.dataloader._iterator = None
        seen_batches.begin_epoch(loop.dataloader, runner.seed, start, done)
        if done:
            seed = partial(self._seed, runner, DATA)
            loop.dataloader = RestOfEpoch(loop.dataloader, done, lambda batch: seed(start + batch))
        self._seed(runner, DATA, start)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the step: dropout, sampling of RoIs, augmentation on the device."""
        self._seed(runner, STEP, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Seed the next batch, which an epoch-based loop fetches right after this."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._seed(runner, DATA, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Give the loop its whole loader back."""
        if isinstance(runner.train_loop.dataloader, RestOfEpoch):
            runner.train_loop.dataloader = runner.train_loop.dataloader.loader

    def before_val_epoch(self, runner: Runner) -> None:
        """Give every process the buffers of the first."""
        self._validating = True
        for buffer in runner.model.buffers():
            broadcast(buffer)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Checkpoints from here on are saved by training, not by validation."""
        self._validating = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the number of processes and, within an epoch, how many of its batches are done."""
        meta = checkpoint['meta']
        if self._validating:
            # After a new best score, the last checkpoint is saved again. mmengine's FlexibleRunner, which --fsdp uses,
            # counts the finished epoch or iteration as still running.
            meta.update(epoch=runner.epoch, iter=runner.iter)
        meta['processes'] = get_world_size()
        checkpoint['remembered'] = remembered(unwrapped(runner.model))
        if meta['epoch'] in self._began:
            loader = runner.train_dataloader
            length = len(loader.loader if isinstance(loader, RestOfEpoch) else loader)
            meta['epoch_progress'] = [meta['iter'] - self._began[meta['epoch']], length]

    def _batches_done(self, runner: Runner) -> int:
        done, length = self._progress or (0, 0)
        if done and length != len(runner.train_dataloader):
            runner.logger.warning(
                f'The checkpoint is from batch {done} of {length} of an epoch, but an epoch now has '
                f'{len(runner.train_dataloader)} batches: the epoch starts again.'
            )
            return 0
        if done:
            runner.logger.info(f'Epoch {runner.epoch + 1}: {done} of {length} batches are already trained on.')
        return done

    def _seed(self, runner: Runner, purpose: int, iteration: int) -> None:
        seed_generators(runner.seed, purpose, get_rank(), iteration)

    def _warn_of_other_order(self, runner: Runner) -> None:
        """Samplers are built before a checkpoint restores its seed; see `adopt_seed`."""
        batches = runner.train_dataloader.batch_sampler
        seed = getattr(getattr(batches, 'sampler', None), 'seed', runner.seed)
        if runner.iter and seed != runner.seed and not runner.cfg.get('randomness', {}).get('diff_rank_seed'):
            runner.logger.warning(
                f'The data comes in another order than before the interruption: it is shuffled with seed {seed}, '
                f'but the checkpoint was trained with seed {runner.seed}. Set `randomness = dict(seed={runner.seed})`.'
            )


def _require_whole(runner: Runner, checkpoint: dict) -> None:
    """Raise RuntimeError if a checkpoint lacks what an exact resume needs; mmengine would resume anyway."""
    wanted = ['optimizer'] + ['param_schedulers'] * bool(runner.param_schedulers)
    missing = [name for name in wanted if name not in checkpoint]
    if 'epoch' not in checkpoint.get('meta', {}):
        missing.append('the epoch')
    if missing:
        raise RuntimeError(
            f'The checkpoint to resume lacks {", ".join(missing)}: the best checkpoint of a run, a published one, and '
            'those saved with save_optimizer=False or save_param_scheduler=False cannot be resumed. Resume from '
            'epoch_N.pth or iter_N.pth, or start a new run from these weights with --cfg-options load_from=... and '
            'without --resume.'
        )


def _tell_changes(runner: Runner, changes: Sequence[str]) -> None:
    if not changes:
        return
    if other := [line for line in changes if line.startswith('optim_wrapper.optimizer.type: ')]:
        raise RuntimeError(
            f'One optimizer cannot use the state of another ({other[0]}): resume with the optimizer of that run, or '
            'start from its weights only: load_from=<checkpoint>, without --resume, in another --work-dir.'
        )
    lines = [*changes[:MOST_CHANGES], *([f'and {len(changes) - MOST_CHANGES} more'] if changes[MOST_CHANGES:] else [])]
    told = 'The run is resumed with other settings than its checkpoint was trained with:\n  ' + '\n  '.join(lines)
    if changes[0].startswith('processes: '):
        told += (
            '\nEach process loads train_dataloader.batch_size images: unless you adapted that, the number of images '
            'per step has changed.'
        )
    if any(line.startswith(KEPT) for line in changes):
        told += (
            '\nThe optimizer and the schedules of the checkpoint keep their saved values, whatever the config says: '
            'learning rate, milestones, and where a schedule ends.'
        )
    runner.logger.warning(told)


def adopt_seed(cfg: Config) -> None:
    """Give `cfg`, which resumes, the seed of its checkpoint, before samplers are built from it.

    mmengine restores the seed when it loads the checkpoint. By then the data is shuffled, by a new random seed if
    the config has none.
    """
    path = cfg.get('load_from') or find_latest_checkpoint(cfg.work_dir)
    seed = checkpoints.load(path).get('meta', {}).get('seed') if path else None
    if seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
