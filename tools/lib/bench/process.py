"""A program that is measured between two lines of its output: `first MICROSECONDS`, `done MICROSECONDS`."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.programs import mb_of_kib

TICKS = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 300


class Speed(NamedTuple):
    jobs: int
    seconds: float
    cpu_s: float    # of the contender's own process, user and system
    peak_mb: float  # of its resident set

    @property
    def rate(self):
        return self.jobs / self.seconds


def cpu_of(pid):
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def memory_mb(pid, what="VmHWM"):
    """VmHWM is the peak, VmRSS what it holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return mb_of_kib(int(line.split()[1]))
    raise RuntimeError(f"{pid} has no {what}")


def _said(process, word, log):
    line = process.stdout.readline()
    if not line.startswith(word + " "):
        process.kill()
        raise RuntimeError(f"{process.args[0]} said {line!r} for {word!r}:\n{log.read_text()[-3000:]}")
    return int(line.split()[1]) / 1e6


def run_between(words, jobs, folder, env=None):
    """Runs it until it is done; a RuntimeError with its log's end when it fails."""
    log = Path(folder) / "contender.log"
    with open(log, "wb") as errors:
        process = subprocess.Popen([*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                   text=True, env={**os.environ, **(env or {})}, cwd=folder)
    try:
        began, cpu_before = _said(process, "first", log), cpu_of(process.pid)
        ended = _said(process, "done", log)
        speed = Speed(jobs, ended - began, cpu_of(process.pid) - cpu_before, memory_mb(process.pid))
        process.stdin.close()
        process.wait(30)
        return speed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
