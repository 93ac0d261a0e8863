"""Makes the platform (torch, mmengine, mmcv, mmdet) work with current wheels."""

from mmengine.config.utils import MODULE2PACKAGE

from luminet_det.compat import checkpoint_writing, checkpoints, mmcv_ops, versions


def apply() -> None:
    """Check the platform's versions, and make `mmcv.ops` importable, checkpoints safe and `luminet_det::` names known.

    Called once, when the package is imported.
    """
    versions.check()
    mmcv_ops.install()
    checkpoints.apply()
    checkpoint_writing.apply()
    # mmengine resolves `package::config` names for a fixed list of packages only.
    MODULE2PACKAGE.setdefault('luminet_det', 'luminet_det')
