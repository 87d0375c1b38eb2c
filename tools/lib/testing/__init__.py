"""The runner behind tools/test."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
