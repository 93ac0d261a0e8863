"""Every classification method on a part of CIFAR-100, with an equal search of its weight; docs/method_shootout.md."""
