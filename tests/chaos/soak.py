"""A soak: steady load, floods of one workspace now and then, and no faults; memory, descriptors and threads of each
worker over time."""

import json
import time
from datetime import datetime, timezone
from pathlib import Path

from chaos.jobs import chain, quick, retry
from chaos.run import Run
from harness.servers import ROOT

SAMPLES = 120
WARM = 0.25   # of the time: what grows then is a cache that fills
GROWTH = 0.05  # of its size that memory may grow by over the rest, and what is noise beside it
GROWTH_KIB = 1024
FLOOD = (4000, 60)  # so many jobs of one workspace, every so many seconds


def sample(worker):
    """What a process holds now, as the kernel tells."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if ":" in line)
    return {"rss_kib": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))}


def flatness(samples, what):
    """What the medians of the second and the last quarter are: one that grows is no flat one."""
    series = [one[what] for one in samples]
    quarter = max(len(series) // 4, 1)
    middle = lambda part: sorted(part)[len(part) // 2]  # noqa: E731
    return middle(series[quarter:2 * quarter]), middle(series[-quarter:])


def is_flat(what, early, late):
    return late - early <= (max(GROWTH * early, GROWTH_KIB) if what == "rss_kib" else 1)


class Soak(Run):
    def __init__(self, folder, seed, length_s, workers, rate, say=print):
        super().__init__(folder, seed, length_s, workers, rate, every_s=1e9, burst=FLOOD, say=say,
                         weights={quick: 80, chain: 15, retry: 5},
                         options={"HAUL_LEASE_TTL_MS": 30000, "HAUL_SESSION_TIMEOUT_MS": 10000})
        self.samples = {slot.name: [] for slot in self.stage.slots}

    def meanwhile(self):
        """Nothing is broken: samples are taken meanwhile."""
        began = time.monotonic()
        for number in range(1, SAMPLES + 1):
            time.sleep(max(0, began + number * self.length_s / SAMPLES - time.monotonic()))
            for slot in self.stage.slots:
                at_s = round(time.monotonic() - began, 1)
                self.samples[slot.name].append({"at_s": at_s, **sample(slot.worker)})

    def judge(self):
        """[(worker, what, early, late, flat)]"""
        found = []
        for name, samples in self.samples.items():
            for what in ("rss_kib", "descriptors", "threads"):
                early, late = flatness(samples, what)
                found.append((name, what, early, late, is_flat(what, early, late)))
        return found

    def write(self, verdicts):
        now = datetime.now(timezone.utc)
        path = ROOT / "bench" / "results" / f"soak-{now:%Y-%m-%dT%H%M%SZ}.json"
        path.write_text(json.dumps({
            "date": now.isoformat(timespec="seconds"), "minutes": round(self.length_s / 60, 1), "workers": len(self.samples),
            "jobs": len(self.delivered), "jobs_per_second": self.rate,
            "flood_jobs": self.burst_size, "flood_every_s": self.burst_every_s, "most_left": self.most_left,
            "violations": len(self.checker.violations),
            "flat": all(flat for *_, flat in verdicts),
            "verdicts": [dict(zip(("worker", "what", "early", "late", "flat"), verdict)) for verdict in verdicts],
            "samples": self.samples}, indent=1) + "\n")
        return path
