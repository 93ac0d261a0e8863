"""`tools/train.py` on the device `elsewhere`: `python -m tests.second_device.train CONFIG ...`."""

import sys

from tests.second_device import device
from tools import train

if __name__ == '__main__':
    device.install()
    train.main(sys.argv[1:])
