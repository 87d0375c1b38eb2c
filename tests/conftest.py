"""Fixtures of every test; where they come from is tests/harness/."""

from harness.fixtures import *  # noqa: F401,F403
