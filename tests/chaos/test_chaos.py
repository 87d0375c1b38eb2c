"""The short run of tools/chaos: a fixed seed, or CHAOS_SEED; a long one is `tools/chaos --minutes N`."""

import os

import pytest

from chaos.faults import ESSENTIAL
from chaos.run import Run

SECONDS = 60
RATE = 40
SHOWN = 8


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_reordered(tmp_path, capsys):
    run = Run(tmp_path, int(os.environ.get("CHAOS_SEED", "20261121")), SECONDS, rate=RATE)
    try:
        violations = run.go()
        summary = run.summary()
        with capsys.disabled():
            print(f"\n{summary}")
        assert not violations, "\n".join([*(str(violation) for violation in violations[:SHOWN]), summary])
        assert len(run.delivered) >= SECONDS * RATE and run.harm.counts.total() > 20, "too little was done"
        assert not set(ESSENTIAL) - set(run.harm.counts), "what had to be brought about was not"
        assert run.most_left > 0, "nobody had more than a share"
    finally:
        run.close()
