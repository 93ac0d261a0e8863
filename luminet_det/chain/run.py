"""One training of a chain: whether its files say that it is finished, what it hands on, and what it scored."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from luminet_det.compat import checkpoints
from luminet_det.config import find
from luminet_det.sweep.point import LOG, RESULT, validations

CHECKPOINTS = ('last', 'best')  # which of its weights a run hands on
STATISTICS = ('running_mean', 'running_var')  # in a checkpoint, but not trained


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        config: Path or zoo name of its config, as given.
        cfg: That config, with the command line's changes in it.
        work_dir: Its folder.
    """

    config: str
    cfg: Config
    work_dir: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.work_dir.name

    @property
    def log(self) -> Path:
        """The file that captures its output."""
        return self.work_dir / LOG

    @property
    def written_config(self) -> Path:
        """The config with all changes, as the run saves it."""
        return self.work_dir / find(self.config).name

    @property
    def final_checkpoint(self) -> Path:
        """The checkpoint after its last epoch or iteration, by mmengine's names."""
        loop = self.cfg.train_cfg
        name = f'epoch_{loop.max_epochs}' if loop.get('max_epochs') else f'iter_{loop.get("max_iters")}'
        return self.work_dir / f'{name}.pth'

    @property
    def complete(self) -> bool:
        """Whether its result file is there or, where its config writes none, its last checkpoint and its validation."""
        hooks = self.cfg.get('custom_hooks') or []
        if any(str(hook.get('type')).endswith('ResultHook') for hook in hooks):
            return (self.work_dir / RESULT).is_file()
        loop = self.cfg.train_cfg
        length = loop.get('max_epochs') or loop.get('max_iters')
        validated = not self.cfg.get('val_dataloader') or any(each['step'] >= length for each in self.validations())
        return validated and self.final_checkpoint.is_file()

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return (self.work_dir / 'last_checkpoint').is_file()

    def checkpoint(self, which: str) -> Path:
        """The weights that it hands on.

        Args:
            which: 'last', or 'best' by its own validations.

        Raises:
            FileNotFoundError: There is no such checkpoint.
        """
        if which == 'best':
            # The hook keeps only one of them, but an earlier one remains if a run was killed in between.
            found = sorted(self.work_dir.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)[-1:]
        else:
            pointer = self.work_dir / 'last_checkpoint'
            # Only its name: the folder may have been moved since.
            names = [self.final_checkpoint.name, *([Path(pointer.read_text()).name] if self.begun else [])]
            found = [path for path in (self.work_dir / name for name in names) if path.is_file()]
        if not found:
            raise FileNotFoundError(
                f'{self.work_dir} has no {which} checkpoint to hand on; was it moved? Delete the folder, and those '
                f'after it, to train {self.config} again.'
            )
        return found[0]

    def parameters(self) -> int | None:
        """Number of trained parameters in its checkpoint; None if there is no checkpoint."""
        try:
            weights = checkpoints.load(self.checkpoint('last'))['state_dict']
        except FileNotFoundError:
            return None
        return sum(
            value.numel()
            for name, value in weights.items()
            if value.is_floating_point() and name.rpartition('.')[2] not in STATISTICS
        )

    def validations(self) -> list[dict]:
        """What was measured at each validation, in order."""
        return validations(self.work_dir)
