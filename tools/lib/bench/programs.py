"""Running programs that are measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SPAWN = Path(__file__).with_name("spawn.py")
PROGRAM_TIMEOUT_S = 1200


class Measured(NamedTuple):
    seconds: float
    peak_mb: float


def mb_of_kib(kib):
    return kib * 1024 / 1e6


def run_pipeline(commands, folder, env=None):
    """Runs `a | b | c`; the peak is the sum of the programs'. A RuntimeError with the log's end when one fails."""
    log = Path(folder) / "pipeline.log"
    log.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-I", "-S", SPAWN], capture_output=True, text=True,
                          input=json.dumps({"commands": commands, "log": str(log)}),
                          env={**os.environ, **(env or {})}, timeout=PROGRAM_TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError(f"{commands[0][0]}: {done.stderr}")
    answer = json.loads(done.stdout)
    for words, program in zip(commands, answer["programs"]):
        if program["status"] != 0:
            raise RuntimeError(f"{words[0]} ended with {program['status']}:\n{log.read_text()[-3000:]}")
    return Measured(answer["seconds"], mb_of_kib(sum(program["peak_kib"] for program in answer["programs"])))


def output_of(*words):
    """The first line that a program prints, such as its version; "" when it can't be run."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]
