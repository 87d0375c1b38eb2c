"""Ten thousand seeds hold."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HAUL_BUILD", ROOT / "build" / "ci")).resolve()
SEEDS = 10000


def run_sim(*words):
    return subprocess.run([BUILD / "sim" / "sim", *words], stdout=subprocess.PIPE, text=True, check=False)


def test_seeds_hold():
    ran = run_sim("--seeds", str(SEEDS))
    assert ran.returncode == 0, ran.stdout


def test_a_seed_replays():
    first, second = (run_sim("--seed", "7", "--trace").stdout for _ in range(2))
    assert first == second
    assert "good" in first
