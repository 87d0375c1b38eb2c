"""Haul's programs: run to the end, or in the background with a log, an HTTP port and a leash."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from harness.servers import ROOT
from harness.waiting import wait_for

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def build_folder():
    return Path(os.environ.get("HAUL_BUILD", ROOT / "build" / "ci"))


def program_path(name):
    path = build_folder() / "bin" / name
    assert path.exists(), f"{path} is not built: cmake --preset ci && cmake --build --preset ci"
    return path


def clean_environment(more):
    """Ours without any HAUL_ variable (an unknown one is an error), and what is given."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HAUL_")}
    return {**kept, **{key: str(value) for key, value in more.items()}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Finished:
    """What a program did: .status, .out, .err, .json (of the whole output), .lines (JSON each)."""

    def __init__(self, command, done):
        self.command = command
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        words = " ".join(str(word) for word in self.command)
        return f"{words}\nstatus {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


def run_program(name, *args, env, stdin="", timeout_s=60, status=0):
    """Runs it to its end; status: what it must end with, None for anything."""
    command = [program_path(name), *[str(word) for word in args]]
    done = subprocess.run(command, env=clean_environment(env), input=stdin, capture_output=True,
                          text=True, timeout=timeout_s, preexec_fn=_end_with_parent)
    finished = Finished(command, done)
    assert status is None or finished.status == status, finished
    return finished


class Worker:
    """One worker process. Its log (standard error and output) is shown when the test fails."""

    def __init__(self, name, env, folder, label):
        self.name = name
        self.label = label
        self.log_path = folder / f"{label}.log"
        self.port = free_port()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program_path(name)], env=clean_environment({**env, "HAUL_HTTP_PORT": self.port}),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def get(self, path):
        """(HTTP status, body) of /healthz, /readyz, /metrics; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name, **labels):
        """The sum of a metric's samples whose labels hold these; None when there is none."""
        found = None
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            metric, _, rest = series.partition("{")
            if metric == name and all(f'{key}="{text}"' in rest for key, text in labels.items()):
                found = (found or 0) + float(value)
        return found

    def wait_ready(self, timeout_s=30):
        def ready():
            if not self.is_running():
                raise RuntimeError(f"{self.label} ended with {self.process.returncode}:\n{self.log()}")
            return self.get("/readyz")[0] == 200

        wait_for(ready, f"{self.label} to be ready", timeout_s)
        return self

    def wait_ended(self, timeout_s=30):
        """The exit status."""
        return wait_for(lambda: None if self.is_running() else (self.process.returncode,),
                        f"{self.label} to end", timeout_s)[0]

    def stop(self, timeout_s=30):
        """SIGTERM: it drains. The exit status."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        return self.wait_ended(timeout_s)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def memory_kib(self, what="VmHWM"):
        """VmHWM is the peak, VmRSS what it holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1])
        raise RuntimeError(f"{self.label} has no {what}: is it gone?")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_lines(self):
        """The log's JSON lines."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
