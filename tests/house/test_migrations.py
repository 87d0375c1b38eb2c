"""Hubs remember the checksum of each migration they have: one that has landed is never changed, not even in a comment."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "schemas" / "hub"


def test_no_migration_has_changed():
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    landed = {name: checksum for checksum, name in (line.split() for line in lines)}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.sql")}
    assert found == landed, "a hub that has it would refuse every later one: write a new migration, and add its line"
