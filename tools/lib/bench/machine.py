"""What it was measured on and with."""

import os
import platform
import subprocess

from bench import ROOT
from bench.programs import output_of


def _value_of(path, key):
    with open(path) as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""


def machine():
    return {"cpu": _value_of("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_mb": int(_value_of("/proc/meminfo", "MemTotal").split()[0]) * 1024 // 1000000,
            "kernel": platform.release(), "system": _system(), "load_before": os.getloadavg()}


def _system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _package(name):
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def versions(postgres, mariadb=None):
    """Of everything that took part but Haul and the peers, which know their own."""
    commit = output_of("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = output_of("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no") != ""
    found = {"commit": commit + ("+" if changed else ""), "gcc": output_of("gcc", "-dumpfullversion"),
            "postgres": postgres.query("SHOW server_version")[0][0],
            "librdkafka": _package("librdkafka1"), "libpq": _package("libpq5"),
            "libmariadb": _package("libmariadb3"), "redis": _package("redis-server"),
            "java": output_of("java", "-version")}
    if mariadb is not None:
        found["mariadb"] = mariadb.query("SELECT version()")[0][0]
    return found
