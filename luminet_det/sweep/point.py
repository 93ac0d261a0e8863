"""A point of the grid with one seed: its folder, whether it is finished, and what its validations gave."""

import json
from dataclasses import dataclass
from pathlib import Path

from luminet_det import run_log
from luminet_det.whole_file import write_text

RECORD = 'point.json'  # written before training: whose folder this is
RESULT = 'result.json'  # written by a classifier's run at its end
LOG = 'train.log'


@dataclass(frozen=True)
class Point:
    """One training.

    Args:
        options: Config options and their values as text, as `--cfg-options` takes them.
        seed: Its seed.
        work_dir: Its folder.
        length: The step, or epoch, that its last validation is logged with, if that is known.
        fingerprint: Digest of its config, seed and flags.
    """

    options: dict[str, str]
    seed: int
    work_dir: Path
    length: int | None
    fingerprint: str

    def check(self) -> None:
        """Refuse a folder that holds something else.

        A training that has saved and measured nothing may be changed, for example to fix it.

        Raises:
            FileExistsError: The folder was not written by a sweep, or with another config, seed or flags.
        """
        if not self.work_dir.is_dir() or not any(self.work_dir.iterdir()):
            return
        record = _read(self.work_dir / RECORD)
        if not record:
            raise FileExistsError(
                f'{self.work_dir} was not written by a sweep (it has no {RECORD}); '
                'move it away or give another --work-dir'
            )
        if record['fingerprint'] != self.fingerprint and self.begun:
            raise FileExistsError(
                f'{self.work_dir} was trained with another config or other flags; '
                'move it away or give another --work-dir'
            )

    def claim(self) -> None:
        """Take the folder."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        if _read(self.work_dir / RECORD).get('fingerprint') != self.fingerprint:
            self._record(finished=False)

    def finish(self) -> None:
        """Record that the training has finished."""
        self._record(finished=True)

    @property
    def begun(self) -> bool:
        """Whether something was saved or measured."""
        return (self.work_dir / 'last_checkpoint').is_file() or bool(self.validations())

    @property
    def finished(self) -> bool:
        """Whether the training has finished, by the sweep's record, the result file or the log of the run."""
        found = self.validations()
        if not found:
            return False
        if _read(self.work_dir / RECORD).get('finished') or (self.work_dir / RESULT).is_file():
            return True
        return self.length is not None and found[-1]['step'] >= self.length

    def validations(self) -> list[dict]:
        """What was measured at each validation, by `step` (epochs or iterations), in order."""
        return validations(self.work_dir)

    def _record(self, finished: bool) -> None:
        content = dict(options=self.options, seed=self.seed, fingerprint=self.fingerprint, finished=finished)
        write_text(self.work_dir / RECORD, json.dumps(content, indent=1) + '\n')


def validations(work_dir: Path) -> list[dict]:
    """What a run in this folder measured at each validation, by `step` (epochs or iterations), in order."""
    # The quickstart's result has no history.
    if history := _read(work_dir / RESULT).get('history'):
        # An iteration-based run stays in epoch 0.
        return [dict(entry, step=entry['epoch'] or entry.get('iteration', 0)) for entry in history]
    found: list[tuple[int, dict]] = []
    iteration = 0
    for file in run_log.files(work_dir):
        resumed, iteration = _validations(file, iteration)
        # A killed run repeats what it had trained after its last checkpoint.
        found = [entry for entry in found if not resumed or entry[0] < resumed[0][0]] + resumed
    return [dict(entry, step=place) for place, entry in found]


def _validations(file: Path, iteration: int) -> tuple[list[tuple[int, dict]], int]:
    """The lines of validations in a log, each with its place, and the last iteration in it.

    The place is the step, or the preceding iteration if that is 0; `iteration` is the last one of the previous log, for
    a run that begins with a validation that had been cut short.
    """
    found = []
    for entry in run_log.entries_of(file):
        if 'iter' in entry:  # a line of training
            iteration = entry['iter']
        elif 'step' in entry:
            found.append((entry['step'] or iteration, entry))
    return found, iteration


def _read(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}
