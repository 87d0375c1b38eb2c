"""The pages show what the programs say of themselves, and name every metric that a worker has."""

import os
import re
import subprocess

from harness.programs import build_folder
from harness.servers import ROOT


def test_printed_blocks_are_up_to_date():
    done = subprocess.run([ROOT / "tools" / "docs", "--check"], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "HAUL_BUILD": str(build_folder())})
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_metrics_are_those_of_the_page(haul):
    text = haul.start_worker().get("/metrics")[1]
    page = (ROOT / "docs" / "operate.md").read_text()
    told = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert told == dict(re.findall(r"^\| `(\w+)` \| (\w+) \| .* \|$", page, re.MULTILINE))
