"""The simulator notices when the runtime is broken: each mutation fails some seed."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HAUL_BUILD", ROOT / "build" / "ci")).resolve()
SEEDS = 10000

# What is broken: file of common/run, its exact text, what takes its place.
MUTATIONS = {
    "an old epoch's completion counts":
        ("poll_out.c", "bool is_ours = delivery->epoch == poller->table.epoch;",
         "bool is_ours = delivery->partition < poller->table.count;"),
    "a fenced end is taken for ours":
        ("settle.c", "return ours ? ANSWER_OURS : ANSWER_FENCED;",
         "return ANSWER_OURS;"),
    "a fenced release is taken for ours":
        ("settle.c", "[LEDGER_RELEASE_FENCED] = ANSWER_FENCED,",
         "[LEDGER_RELEASE_FENCED] = ANSWER_OURS,"),
    "lost partitions are committed":
        ("poll_rebalance.c", "    atomic_store(&poller->rt->is_assigned, false);\n    poller_pause_all",
         "    poller_take_done(poller, 0); poller_commit(poller);\n    poller_pause_all"),
    "a commit before the reports":
        ("outbox.c", "if (atomic_fetch_sub(&delivery->holds, 1) != 1)",
         "if (atomic_fetch_sub(&delivery->holds, 1), delivery->next != NULL)"),
    "a bad report is taken for a good one":
        ("outbox.c", "atomic_store(&delivery->failed, true);",
         "atomic_store(&delivery->failed, false);"),
    "the highest offset is committed":
        ("partitions.c", ".offset = it->map.committed};", ".offset = it->map.next};"),
    "the lease goes before the settlement":
        ("attempt.c", "enum delivery_fate fate = settle(a, reason);",
         "if (a->in_ledger) release_lease(a, false);\n    enum delivery_fate fate = settle(a, reason);"),
    "no lease":
        ("attempt.c", "    if (!take_lease(a, &taken))", "    if (a->number > 1 ? (taken = true, a->lease.job_id = a->id, false) : !take_lease(a, &taken))"),
    "a handed back job is an attempt":
        ("settle.c", "release(a, a->number, 0, NULL);", "release(a, a->number + 1, 0, NULL);"),
    "a delayed delivery is dropped":
        ("poll_out.c", "delivery->next = poller->delayed;", "delivery->next = NULL;"),
    "dropped counts as done":
        ("poll_out.c", "if (is_ours && delivery->fate == FATE_DONE)", "if (is_ours && delivery->fate != FATE_AGAIN)"),
}


def compile_command(source):
    """How the simulator's own object of a source is made: (words, folder)."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        if Path(entry["file"]) == source and "sim_product" in entry["command"]:
            words = shlex.split(entry["command"])
            return [word for word in words if Path(word).name != "ccache"], entry["directory"]
    raise LookupError(f"{source} is not part of the simulator")


def build(name, folder):
    file, text, change = MUTATIONS[name]
    source = ROOT / "common" / "run" / file
    original = source.read_text()
    assert original.count(text) == 1, f"{file} has the text {original.count(text)} times: {text}"
    changed = folder / file
    changed.write_text(original.replace(text, change))
    words, directory = compile_command(source)
    words[words.index("-o") + 1] = str(folder / "changed.o")
    words[words.index("-c") + 1] = str(changed)
    words = [word for word in words if word != "-Werror"]
    subprocess.run([*words, "-w"], cwd=directory, check=True)
    product, world = BUILD / "tests/sim/libsim_product.a", BUILD / "tests/sim/libsim_world.a"
    drive = BUILD / "tests/sim/CMakeFiles/sim.dir/drive.c.o"
    subprocess.run([words[0], folder / "changed.o", drive, "-Wl,--start-group", world, product,
                    "-Wl,--end-group", "-lxxhash", "-lm", "-o", folder / "sim"], check=True)


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, tmp_path):
    build(name, tmp_path)
    ran = subprocess.run([tmp_path / "sim", "--seeds", str(SEEDS)], stdout=subprocess.PIPE, text=True,
                         check=False)
    print(ran.stdout)
    assert ran.returncode == 1, f"{SEEDS} seeds found nothing wrong"
