"""The order in which things are broken; whoever mends comes after the last of them."""

import random
import threading
import time
from types import SimpleNamespace

from chaos.faults import ESSENTIAL, ESSENTIAL_FROM_S, Fault, plan
from chaos.harm import Harm


class Log:
    def __init__(self):
        self.lines, self.lock = [], threading.Lock()

    def fault(self, name, *needs, length_s=0.2):
        def run(stage, slot, rng):
            for what in ("begins", "ends"):
                with self.lock:
                    self.lines.append(f"{name} {what}")
                if what == "begins":
                    time.sleep(length_s)
        return Fault(name, run, 1, needs)


def harm(plan):
    stage = SimpleNamespace(slots=[SimpleNamespace(name=f"w{number + 1}") for number in range(2)])
    done = Harm(plan, stage, say=lambda line: None)
    done.run()
    return done


def test_it_ends_after_a_fault_that_waited_for_its_turn():
    log = Log()
    done = harm([(0, log.fault("cut", "slot"), 0, None), (0.05, log.fault("scale", "fleet"), 1, None)])
    assert log.lines == ["cut begins", "cut ends", "scale begins", "scale ends"]
    assert done.counts == {"cut": 1, "scale": 1} and not done.failures


def test_different_things_are_broken_at_once():
    log = Log()
    harm([(0, log.fault("a", "slot"), 0, None), (0.05, log.fault("b", "slot"), 1, None),
          (0.05, log.fault("c", "kafka"), 0, None)])
    assert log.lines[0] == "a begins" and log.lines.index("a ends") > log.lines.index("b begins")
    assert log.lines.index("a ends") > log.lines.index("c begins")


def test_a_fault_that_can_not_be_done_is_told():
    def breaks(stage, slot, rng):
        raise AssertionError("no such server")
    log = Log()
    done = harm([(0, Fault("broken", breaks, 1, ("slot",)), 0, None), (0.05, log.fault("next", "slot"), 0, None)])
    assert done.failures == ["broken: AssertionError no such server"] and log.lines == ["next begins", "next ends"]
    assert done.counts == {"next": 1}


def test_a_run_of_a_minute_has_all_that_is_essential():
    for seed in range(100):
        planned = plan(random.Random(seed), ESSENTIAL_FROM_S, 1.5, 4)
        assert set(ESSENTIAL) <= {fault.name for _, fault, _, _ in planned}
        times = [at for at, _, _, _ in planned]
        assert times == sorted(times) and times[-1] < ESSENTIAL_FROM_S
