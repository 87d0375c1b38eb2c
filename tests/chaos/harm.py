"""What is broken when: two faults never harm the same thing at once, any number of different things may be out of
order together. When `run` returns no fault is under way and none is to come."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait

AT_A_TIME = 8
TURN_MAX_S = 30  # a fault whose turn does not come is left out


class Harm:
    def __init__(self, plan, stage, say=print):
        """plan: as faults.plan makes it."""
        self.plan, self.stage, self.say = plan, stage, say
        self.counts, self.failures = Counter(), []  # those that were done and undone
        self.busy = set()
        self.changed = threading.Condition()

    def run(self):
        """The whole plan, each fault at its time; returns when the last one is undone."""
        self.began = time.monotonic()
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            started = []
            for at, fault, slot_number, rng in self.plan:
                time.sleep(max(0, self.began + at - time.monotonic()))
                started.append(pool.submit(self._take_turn, fault, slot_number, rng))
            wait(started)

    def _take_turn(self, fault, slot_number, rng):
        """Waits until what the fault needs is in order, then does it."""
        needs = {f"slot{slot_number}" if need == "slot" else need for need in fault.needs}
        if "fleet" in needs:
            needs |= {f"slot{number}" for number in range(len(self.stage.slots))}
        with self.changed:
            if not self.changed.wait_for(lambda: not needs & self.busy, TURN_MAX_S):
                return
            self.busy |= needs
        try:
            self.say(f"  {time.monotonic() - self.began:6.1f} {fault.name}"
                     + (f" {self.stage.slots[slot_number].name}" if "slot" in fault.needs else ""))
            fault.run(self.stage, self.stage.slots[slot_number], rng)
            self.counts[fault.name] += 1
        except Exception as error:  # noqa: BLE001 - told at the end: a fault that can't be done is a failed run
            self.failures.append(f"{fault.name}: {type(error).__name__} {error}")
        finally:
            with self.changed:
                self.busy -= needs
                self.changed.notify_all()
