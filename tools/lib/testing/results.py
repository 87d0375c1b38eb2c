"""What passed, failed and was skipped, and how it is said."""

import sys
import time
from dataclasses import dataclass, field

OUTPUT_LINES = 80


def clip(text, lines=OUTPUT_LINES):
    """The end of a text: errors stand at the end."""
    all_lines = text.rstrip().splitlines()
    cut = [f"... {len(all_lines) - lines} lines before"] if len(all_lines) > lines else []
    return "\n".join("    " + line for line in cut + all_lines[-lines:])


@dataclass
class Results:
    passed: int = 0
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    _group: str = ""
    _began: float = 0.0

    def begin(self, group):
        self._group = group
        self._began = time.monotonic()
        self._before = (self.passed, len(self.failed), len(self.skipped))

    def end(self):
        passed, failed, skipped = self._before
        parts = [f"{self.passed - passed} passed"]
        if len(self.failed) > failed:
            parts.append(f"{len(self.failed) - failed} FAILED")
        if len(self.skipped) > skipped:
            parts.append(f"{len(self.skipped) - skipped} skipped")
        self.say(f"{self._group}: {', '.join(parts)} ({time.monotonic() - self._began:.0f} s)")

    def say(self, text):
        print(text, flush=True)

    def ok(self):
        self.passed += 1

    def fail(self, name, output, printed=""):
        """output: what went wrong; printed: what was said before it did, told behind it."""
        full = f"{self._group} {name}"
        self.failed.append(full)
        self.say(f"FAILED {full}\n{clip(output)}" + (f"\n{clip(printed)}" if printed else ""))

    def skip(self, name, reason):
        self.skipped.append(f"{self._group} {name}: {reason}")

    def finish(self):
        """The last lines; the exit status."""
        for name in self.skipped:
            self.say(f"skipped: {name}")
        if self.skipped:
            self.say(f"{len(self.skipped)} skipped")
        for name in self.failed:
            self.say(f"failed: {name}")
        self.say(f"{self.passed} passed, {len(self.failed)} failed")
        sys.stdout.flush()
        return 0 if not self.failed and self.passed > 0 else 1
