"""Every detector method on the quickstart's digits, with an equal search of its weight; docs/method_shootout.md."""
