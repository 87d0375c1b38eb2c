"""What tools/bench does: one run in which limits, peers and Haul do the same work in turns."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "bench" / "results"
