"""Waiting with a deadline, in place of a sleep."""

import time


def wait_for(probe, what, timeout_s=20, every_s=0.05):
    """Calls probe until it gives something true, and gives that; an AssertionError at the deadline.

    An AssertionError raised by probe counts as "not yet", and is told at the end.
    """
    deadline = time.monotonic() + timeout_s
    last = None
    while True:
        try:
            found = probe()
            if found:
                return found
            last = found
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}; last seen: {last!r}")
        time.sleep(every_s)
