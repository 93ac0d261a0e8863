"""The version, and the versions of the platform this release was tested with."""

__version__ = '0.1.0'

# name: (minimum, newest tested). Below the minimum is an error, above the newest tested only a warning.
PLATFORM = {
    'torch': ('2.5', '2.15.0'),
    'torchvision': ('0.20', '0.29.2'),
    'mmengine': ('0.10.3', '0.10.12'),
    'mmdet': ('3.2.0', '3.5.1'),
    'mmcv': ('2.0.1', '2.1.0'),
}
