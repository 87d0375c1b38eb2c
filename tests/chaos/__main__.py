"""tools/chaos."""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from chaos.faults import ALL
from chaos.run import Run
from chaos.soak import Soak


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/chaos", add_help=False, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=60)
    parser.add_argument("--every", type=float, default=1.5)
    parser.add_argument("--faults", default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--build", default="")
    parser.add_argument("--no-install", action="store_true")
    return parser.parse_args()


def chaos(options, folder):
    names = set(options.faults.split(",")) if options.faults else None
    run = Run(folder, options.seed, options.minutes * 60, options.workers, options.rate, options.every, names)
    print(f"chaos: seed {options.seed}, {options.minutes:g} minutes, {options.workers} workers; logs in {folder}", flush=True)
    try:
        violations = run.go()
        print(run.summary(), flush=True)
        return 1 if violations else 0
    finally:
        run.close()


def soak(options, folder):
    run = Soak(folder, options.seed, options.minutes * 60, options.workers, options.rate)
    print(f"soak: {options.minutes:g} minutes, {options.workers} workers, {options.rate:g} jobs/s", flush=True)
    try:
        violations = run.go()
        print(run.summary())
        verdicts = run.judge()
        for name, what, early, late, flat in verdicts:
            print(f"{name} {what}: {early} in the second quarter, {late} in the last: {'flat' if flat else 'GROWS'}")
        print(f"samples: {run.write(verdicts)}", flush=True)
        return 1 if violations or not all(flat for *_, flat in verdicts) else 0
    finally:
        run.close()


def main():
    options = parse_arguments()
    if options.faults == "list":
        print("\n".join(f"{fault.name}: {' '.join((fault.run.__doc__ or '').split())}" for fault in ALL))
        return 0
    if options.build:
        os.environ["HAUL_BUILD"] = str(Path(options.build).resolve())
    folder = Path(options.folder or tempfile.mkdtemp(prefix="haul-chaos-", dir="/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    return soak(options, folder) if options.soak else chaos(options, folder)


if __name__ == "__main__":
    sys.exit(main())
