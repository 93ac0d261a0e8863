"""Safe saving: a training that is killed while it saves can resume from the previous checkpoint."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from luminet_det import whole_file


def apply() -> None:
    """Have mmengine write files whole and delete an outdated checkpoint last; a second call does nothing.

    By itself, mmengine writes directly into the file and, with `max_keep_ckpts=1`, deletes the only checkpoint before
    it writes the next one.
    """
    if getattr(CheckpointHook._save_checkpoint_with_step, 'deletes_last', False):
        return
    save_after_deleting, write = CheckpointHook._save_checkpoint_with_step, LocalBackend.put

    def save_before_deleting(self: CheckpointHook, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """mmengine's method, but saving before deleting; see `luminet_det.compat.checkpoint_writing`."""
        full = 0 < self.max_keep_ckpts == len(self.keep_ckpt_ids) and self.keep_ckpt_ids[-1] != step
        outdated = self.keep_ckpt_ids.popleft() if full else None
        save_after_deleting(self, runner, step, meta)
        if outdated is not None and is_main_process():
            path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated))
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):  # as DeepSpeed saves
                self.file_backend.rmtree(path)

    def put(self: LocalBackend, obj: bytes, filepath: str | Path) -> None:
        """mmengine's method, writing to a temporary file first; see `luminet_det.compat.checkpoint_writing`."""
        with whole_file.written(Path(filepath).resolve()) as part:
            write(self, obj, part)

    save_before_deleting.deletes_last = True
    CheckpointHook._save_checkpoint_with_step = save_before_deleting
    LocalBackend.put = put
