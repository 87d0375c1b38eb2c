"""Runs a pipeline of programs and says how long it took and how much memory each one had at most.

Reads {"commands": [[word, ...], ...], "log": path} on standard input, writes {"seconds": ...,
"programs": [{"status": ..., "peak_kib": ...}, ...]}. A process of its own, with nothing loaded: a
program's ru_maxrss begins with the size of the process that starts it.
"""

import json
import os
import sys
import time


def start(words, stdin, stdout, log):
    return os.posix_spawnp(words[0], words, os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, log, 2)])


def run(commands, log):
    nothing = os.open(os.devnull, os.O_RDONLY)
    began = time.monotonic()
    stdin, pids = nothing, []
    for number, words in enumerate(commands):
        is_last = number == len(commands) - 1
        read_end, stdout = (None, log) if is_last else os.pipe()  # neither is inherited by exec
        pids.append(start(words, stdin, stdout, log))
        if stdin != nothing:
            os.close(stdin)
        if not is_last:
            os.close(stdout)
        stdin = read_end
    ended = [os.wait4(pid, 0) for pid in pids]
    return {"seconds": time.monotonic() - began,
            "programs": [{"status": os.waitstatus_to_exitcode(status), "peak_kib": usage.ru_maxrss}
                         for _, status, usage in ended]}


if __name__ == "__main__":
    request = json.load(sys.stdin)
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    print(json.dumps(run(request["commands"], output)))
