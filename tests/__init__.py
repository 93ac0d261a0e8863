"""Tests; the package comes first, since it makes mmdet importable without compiled mmcv."""

import luminet_det  # noqa: F401
