"""The simulator notices when the runtime is broken: each mutation fails some seed."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HAUL_BUILD", ROOT / "build" / "ci")).resolve()
SEEDS = 10000

VERDICT = re.compile(r"seed (?P<seed>\d+)(?:: ended .*|, [\d.]+ s: (?P<rule>[^:]+?)(?: of [jx]\d+)?: .*)$")

# What is broken: the rules that some seed then finds broken (or "crash", "takes too long"), with "|"
# between; file of common/run, its exact text, what takes its place; the same of another text of it.
MUTATIONS = {
    "an old epoch's completion counts":
        ("passed over",
         "poll_out.c", "bool is_ours = delivery->epoch == poller->table.epoch;",
         "bool is_ours = delivery->partition < poller->table.count;"),
    "lost partitions are committed":
        ("commit of what is lost",
         "poll_rebalance.c", "    atomic_store(&poller->rt->is_assigned, false);\n    poller_pause_all",
         "    poller_take_done(poller, 0), poller_commit_last(poller);\n    poller_pause_all"),
    "a commit before the reports":
        ("crash|passed over",
         "outbox.c", "if (atomic_fetch_sub(&delivery->holds, 1) != 1 ||",
         "if ((atomic_fetch_sub(&delivery->holds, 1), delivery->node.next != NULL) ||"),
    "a bad report is taken for a good one":
        ("passed over|told before its letter|hang",
         "outbox.c", "    if (outcome != OUTCOME_OK)\n        atomic_store(&delivery->failed, true);\n",
         "    if (outcome != OUTCOME_OK)\n        atomic_store(&delivery->failed, false);\n"),
    "what passes on is complete before its report":
        ("passed over",
         "poll_pass.c", "    return outbox_offer(&rt->outbox, &record, delivery, err);",
         "    return outbox_send(&rt->outbox, &record, NULL, err);"),
    "ordered jobs pass on":
        ("order",
         "poll_pass.c", "    if (look->kind->kind->ordered || delivery_is_bulk", "    if (delivery_is_bulk"),
    "what is left is complete":
        ("passed over",
         "poll_left.c", "    offset_map_leave(&partition->map, delivery->message.offset);",
         "    (void)offset_map_complete(&partition->map, delivery->message.offset);"),
    "what comes behind those that are left is given out":
        ("order",
         "poll_left.c", "    if (!is_behind && !share_is_over(poller->rt, look->share))",
         "    if (share_may_return(poller->rt, look->share))"),
    "bulk jobs are not left":
        ("starved by a bulk flood",
         "poll_in.c", "? share_is_any_bulk_over(poller->rt)\n", "? false\n"),
    "who has filled the bulk jobs' half leaves no room for others":
        ("starved by a bulk flood",
         "share_table.c", "? max + num_max_i64(max / 4, 1) : max;", "? max : max;"),
    "what is not plain is given out before those that are left":
        ("order",
         "look.c", "ret_look, &glance) || look_closely(rt, record, ret_look);", "ret_look, &glance);"),
    "what comes back is complete":
        ("passed over",
         "poll_back.c", "    (void)offset_map_return(&partition->map, delivery->message.offset);",
         "    (void)offset_map_complete(&partition->map, delivery->message.offset);"),
    "not the lowest comes back first":
        ("messages out",
         "poll_back.c", ".offset = partition->map.lowest_left};", ".offset = partition->map.lowest_left + 1};"),
    "what comes back has no place before the first that moves":
        ("order",
         "share.c", "        d->has_placed[slot] = false;\n    return true;", "        (void)slot;\n    return true;"),
    "what comes back overtakes those that wait for places":
        ("order",
         "share.c", "    if (!a->delivery->is_back || d->arrived.first != NULL)", "    if (!a->delivery->is_back)"),
    "an ordered job moves without its place":
        ("order",
         "place.c", "    TRY(ledger_place_many(d->hub, &all, &arena, err));", "    (void)all;"),
    "what is glanced at moves without its place":
        ("order",
         "arrive.c", "        a->is_glanced = true;\n        share_expect(d, a);\n        attempts_add(&d->arrived, a);",
         "        a->is_glanced = a->is_placed = true;\n        dispatch_admit(d, a);"),
    "what is here is not placed before the first that moves":
        ("order",
         "place.c", "    TRY(place_what_is_here(d, tenant, err));\n", "    (void)&place_what_is_here, (void)err;\n"),
    "who is parked is not placed before the first that moves":
        ("order",
         "place.c", "        note(&pending, a);\n    (void)fair_remove", "        (void)a;\n    (void)fair_remove"),
    "what is here is placed in another order":
        ("order",
         "place.c", "    qsort(pending.items, pending.count, sizeof *pending.items, by_time);", "    (void)by_time;"),
    "what comes behind those that moved has no place":
        ("order",
         "arrive.c", "    } else if (dispatch_needs_place(a) && share_is_over", "    } else if (a == NULL && share_is_over"),
    "places that could not be had are in another order":
        ("order",
         "place.c", "            put_back(d, &batch);",
         "            (void)put_back;\n            for (size_t i = batch.count; i-- > 0;)\n"
         "                attempts_add(&d->arrived, batch.items[i]);"),
    "who could not have a place goes on without":
        ("order",
         "place.c", "            put_back(d, &batch);",
         "            (void)put_back;\n            for (size_t i = 0; i < batch.count; i++)\n"
         "                batch.items[i]->is_placed = true, dispatch_admit(d, batch.items[i]);"),
    "the highest offset is committed":
        ("passed over",
         "partitions.c", ".offset = it->map.committed,", ".offset = it->map.next,"),
    "a map of another offset":
        ("passed over",
         "partitions.c", "size_t len = offset_map_encode(&it->map, text);",
         "struct offset_map map = it->map; map.incomplete = 1; *map.bits = 0;\n"
         "    size_t len = offset_map_encode(&map, text);"),
    "a refused commit counts as made":
        ("hang",
         "poll_commit.c", "        refused(poller, outcome, err);\n    }\n    commit->count = 0;",
         "        refused(poller, outcome, err);\n        partitions_committed(&poller->table, commit->list, commit->count);\n"
         "    }\n    commit->count = 0;"),
    "a refused commit ends the commits":
        ("hang",
         "poll_commit.c", "        refused(poller, outcome, err);\n    }\n    commit->count = 0;",
         "        refused(poller, outcome, err);\n        poller->commit_due_us = INT64_MAX;\n    }\n    commit->count = 0;"),
    "an answer is never taken":
        ("hang",
         "poll_commit.c", "    take_answer(poller, 0);\n", ""),
    "dropped counts as done":
        ("passed over",
         "poll_out.c", "if (is_ours && delivery->fate == FATE_DONE)",
         "if (is_ours && delivery->fate != FATE_AGAIN)"),
    "a delayed delivery is dropped":
        ("messages out",
         "poll_out.c", "delivery->node.next = poller->delayed == NULL ? NULL : &poller->delayed->node;",
         "delivery->node.next = NULL;"),
    "order by key is not asked for":
        ("order",
         "attempt.c", "    return a->kind != NULL && a->kind->kind->ordered;", "    (void)a;\n    return false;"),
    "who waits for its turn is not asked again":
        ("hang",
         "turn.c", "        come(d, item);\n    metric_set", "        break;\n    metric_set"),
    "who waits for its turn keeps its key":
        ("hang",
         "turn.c", "        fair_end(&d->fair, &a->item);\n", "        (void)0;\n"),
    "who waits for its turn outlives its partition":
        ("hang",
         "dispatch.c", "        dispatch_drop(d, attempt_of_turn(turn));\n", "        break;\n"),
    "who finds no room in the line is forgotten":
        ("hang",
         "turn.c", "        leave(d, attempt_of_turn(out), out->place, wait_us);\n", "        return;\n"),
    "who is known to be behind is forgotten":
        ("hang",
         "turn.c", "    set_turn(a, a->trail.place, wait_us, now_us);\n", "    if (now_us > 0)\n        return true;\n"),
    "who leaves forgets those behind it":
        ("hang",
         "turn.c", "        leave(d, attempt_of_turn(item), attempt_of_turn(item)->claimed.place, wait_us);\n", "        continue;\n"),
    "behind another is taken for ours":
        ("fence",
         "claim.c", "    case LEDGER_BEHIND:\n", "    case LEDGER_BEHIND:\n        hand_on_to_run(d, a, to);\n        break;\n"
         "    case LEDGER_BEHIND + 100:\n"),
    "a parent waits without a net":
        ("passed over",
         "settle_tell.c", "return sent(a, forward(a, a->rt->jobs_topic.text, &err), &err);\n    return sent(a, send_later(a, &err), &err);",
         "return sent(a, forward(a, a->rt->jobs_topic.text, &err), &err);\n    return FATE_DONE;"),
    "children count as told before Kafka has them":
        ("hang",
         "fan_out.c", "    return wait_until_sent(job, err);", "    return (void)&wait_until_sent, OUTCOME_OK;"),
    "a net ends the parent":
        ("hang",
         "fan_out.c", "a->is_woken_by_net = verdict != FAN_IN_WAIT && attempt_only_looks(a);",
         "a->is_woken_by_net = false;"),
    "an old record ends the parent":
        ("untold end",
         "fan_out_record.c", "(is_waiting && !is_its_wake)", "(is_waiting && !is_its_wake && a == NULL)"),
    "who only looks begins a new wait":
        ("hang",
         "settle_plan.c", "    if (attempt_only_looks(a))\n        return a->claimed.wait_fence;\n", ""),
    "a parent's wait is over when it is looked at":
        ("untold end",
         "settle_plan.c", "        return a->claimed.wait_fence;\n", "        return 0;\n"),
    "a parent joins too early":
        ("join",
         "fan_out.c", "*ret_verdict = a->is_woken_by_net ? FAN_IN_WAIT : verdict;",
         "*ret_verdict = verdict == FAN_IN_WAIT ? FAN_IN_JOIN : verdict;"),
    "a net ends its job":
        ("untold end",
         "settle_plan.c", "if (state != EVENT_CANCELLED && attempt_only_looks", "if (state == EVENT_STATE_COUNT && attempt_only_looks"),
    "a job begins after its deadline":
        ("too late",
         "work.c", "a->outcome = attempt_check_deadline(a, &a->err);", "a->outcome = OUTCOME_OK;"),
    "a deadline by the machine's own clock":
        ("too late|too early",
         "attempt.c", "fleet_clock_us(&a->rt->clock) < a->deadline_us", "clock_wall_us() < a->deadline_us"),
    "a deadline stops nothing that runs":
        ("too late",
         "keeper.c", "if (slot->deadline_us != 0 && wall_us", "if (slot->deadline_us < 0 && wall_us"),
    "no lease":
        ("claimed without a lease",
         "claim.c", "TRY(acquire(d, batch, arena, taken, err));",
         "for (size_t i = 0; i < batch->count; i++)\n        taken[i] = true;"),
    "a busy lease is taken for ours":
        ("claimed without a lease|released before it is settled",
         "claim.c", "        if (taken[i]) {\n", "        if (taken[i] || a->number > 1) {\n"),
    "claims on a connection that skips no fences":
        ("fence",
         "claim.c", "conf.session_sql = LEDGER_SESSION_SQL;", "conf.session_sql = NULL;"),
    "claims before the hub's time is known":
        ("too early",
         "dispatch.c", "if (d->clock_took_us == 0)", "if (d->clock_took_us < 0)"),
    "a fenced end is taken for ours":
        ("told what is not so",
         "settler.c", "if (answer->answer == LEDGER_FENCED)",
         "if (answer->answer == LEDGER_FENCED && a->plan.kind != PLAN_END)"),
    "a fenced release is taken for ours":
        ("told what is not so",
         "settler.c", "if (answer->answer == LEDGER_FENCED)",
         "if (answer->answer == LEDGER_FENCED && a->plan.kind != PLAN_WAIT)"),
    "the lease goes before the settlement":
        ("released before it is settled",
         "settler.c", "    settle_all(settler, batch, &arena);\n",
         "    release_all(settler, batch, &arena);\n    settle_all(settler, batch, &arena);\n"),
    "a poisonous job runs":
        ("poison",
         "claim.c", "if (a->claimed.verdict == LEDGER_POISON)", "if (a->claimed.starts > 1000)"),
    "a retry comes early":
        ("too early",
         "attempt.c", ".not_before_us = a->trail.not_before_us,",
         ".not_before_us = a->trail.not_before_us + 1000000000,"),
    "a handed back job is an attempt":
        ("attempts",
         "settle_plan.c", ".kind = PLAN_HAND_BACK, .next_attempt = a->number,",
         ".kind = PLAN_HAND_BACK, .next_attempt = a->number + 1,"),
    "an outage is an attempt":
        ("attempts",
         "outcome_table.c", "if (action == ACTION_RETRY && outcome_is_outage(err))",
         "if (action == ACTION_RETRY && err == NULL)"),
    "the terminal event is told if there is room":
        ("passed over",
         "settle_tell.c", "events_tell_surely(&a->rt->outbox, topic, event, a->delivery, err);",
         "(events_tell(&a->rt->outbox, topic, event), OUTCOME_OK);"),
    "a dead letter is not sent":
        ("told before its letter",
         "settle_tell.c", "if (event->state != EVENT_DEAD_LETTERED ||", "if (event->state != EVENT_ACCEPTED ||"),
    "a job that is put back stays dead":
        ("put back for nothing",
         "attempt.c", ".redrive_count = a->trail.redrive_count,\n        .not_before_us", ".redrive_count = 0,\n        .not_before_us"),
    "a letter forgets how often its job was put back":
        ("told before its letter",
         "settle_tell.c", "    a->trail.redrive_count = a->redrive_count;\n", "    a->trail.redrive_count = 0;\n"),
    "an event forgets how often its job was put back":
        ("passed over",
         "attempt.c", "                          .redrive_count = a->redrive_count,\n", "                          .redrive_count = 0,\n"),
    "a dead letter and its event are sent at once":
        ("told before its letter",
         "settle_tell.c", "TRY(events_tell_behind(topic, event, a->delivery, err));",
         "TRY(events_tell_surely(&a->rt->outbox, topic, event, a->delivery, err));"),
    "a sequel is sent whatever became of the letter":
        ("told before its letter",
         "outbox.c", "bool is_due = delivery->fate == FATE_DONE && !atomic_load(&delivery->failed);",
         "bool is_due = delivery->fate == FATE_DONE;"),
    "a sequel that found no room counts as sent":
        ("passed over",
         "outbox.c", "    if (!is_sent)\n        atomic_store(&delivery->failed, true);", "    if (!is_sent)\n        (void)err;"),
    "work that is undone counts as done when the process stops":
        ("passed over",
         "settle_tell.c", "return atomic_load(&a->rt->stopping) ? FATE_DROP : retake(a, RETAKE_US);",
         "return atomic_load(&a->rt->stopping) ? FATE_DONE : retake(a, RETAKE_US);"),
    "an open breaker holds nothing":
        ("breaker|probes",
         "breakers.c", "    gate->is_open = true;\n", "    gate->is_open = false;\n"),
    "a job that a breaker holds is an attempt":
        ("attempts",
         "gate.c", "FAIL(&a->err, OUTCOME_THROTTLED, \"breaker.open\"", "FAIL(&a->err, OUTCOME_RETRY, \"breaker.open\""),
    "who was given no permit is a probe":
        ("probes|breaker",
         "breakers.c", "        else if (view->state != BREAKER_CLOSED)\n", "        else if (view->state == BREAKER_FORCED_OPEN)\n",
         "pass->permit != 0 || state_of(b, entry) == BREAKER_CLOSED", "b != NULL"),
    "a probe's end is not told":
        ("hang",
         "breakers_report.c", "        entry->permit_told = pass->permit;\n", "        entry->permit_told = 0;\n"),
    "a start that a breaker held counts as well ended":
        ("hang",
         "settler.c", ".is_unbegun = !a->has_run,", ".is_unbegun = false,"),
    "a request does not wait for its turn":
        ("rate",
         "job_rate.c", "        if (wait_us == 0)\n            return OUTCOME_OK;", "        if (wait_us >= 0)\n            return OUTCOME_OK;"),
    "each process has the rate limit to itself":
        ("rate",
         "job_rate.c", "    if (outcome != OUTCOME_RETRY)\n        return outcome;", "    if (outcome == OUTCOME_PERMANENT)\n        return outcome;"),
    "the fence of a start says when it ran":
        ("effect",
         "work.c", ".fence = a->in_ledger ? a->claimed.fence : 0,",
         ".fence = !a->in_ledger                              ? 0\n"
         "                 : strcmp(a->kind_name, \"parent\") == 0 ? a->claimed.fence\n"
         "                                                       : ({ static int64_t begun; ++begun; }),"),
    "leases count against no cap":
        ("workspace cap",
         "claim.c", "if (d->rt->workspace_jobs_max > 0)", "if (d->rt->workspace_jobs_max < 0)"),
    "a renewal counts against no cap":
        ("workspace cap",
         "keeper.c", "        if (lease.cap != NULL)\n            lease.cap = arena_strdup(arena, lease.cap);\n"
         "        if (lease.job_id == NULL || (slot->lease->cap != NULL && lease.cap == NULL))",
         "        lease.cap = NULL;\n        if (lease.job_id == NULL)"),
    "a workspace goes on until it has nothing left":
        ("starved by a flood|starved by a bulk flood",
         "../model/fair.c", "        fair->rings[priority] = lane->next;\n", ""),
    "all workspaces stand in one line":
        ("starved by a flood|starved by a bulk flood|starved by a lower class",
         "attempt.c", "    a->item.tenant = attempt_number_of(slice_of(a->workspace_id));", "    a->item.tenant = 1;"),
    "all jobs are of one class":
        ("starved by a lower class",
         "attempt.c", "(enum fair_priority)priority_of(a)", "((void)priority_of, FAIR_DEFAULT)"),
    "nobody has more than a share":
        ("starved by a flood|starved by a bulk flood",
         "share.c", "return turns * pace_mean_us(&d->pace) > ", "return (void)turns, 0 > "),
    "a cap that others use up makes nothing long":
        ("starved by a flood|starved by a bulk flood",
         "share.c", "    if (is_refused(d, who.tenant))\n", "    if (is_refused(d, who.tenant) && d == NULL)\n"),
    "offsets that nobody reads are waited for":
        ("hang",
         "../model/offset_map.c", "map->incomplete == 0 ? offset : map->committed", "map->committed"),
    "what was committed before it was read is a cut log":
        ("commit goes back",
         "../model/offset_map.c", "offset < map->floor && offset < map->seen", "offset < map->floor"),
}


def compile_command(source):
    """How the simulator's own object of a source is made: (words, folder)."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        if Path(entry["file"]) == source and "sim_product" in entry["command"]:
            words = shlex.split(entry["command"])
            return [word for word in words if Path(word).name != "ccache"], entry["directory"]
    raise LookupError(f"{source} is not part of the simulator")


def build(name, folder):
    _, file, *changes = MUTATIONS[name]
    source = (ROOT / "common" / "run" / file).resolve()
    broken = source.read_text()
    for text, change in zip(changes[::2], changes[1::2]):
        assert broken.count(text) == 1, f"{file} has the text {broken.count(text)} times: {text}"
        broken = broken.replace(text, change)
    changed = folder / source.name
    changed.write_text(broken)
    words, directory = compile_command(source)
    words[words.index("-o") + 1] = str(folder / "changed.o")
    words[words.index("-c") + 1] = str(changed)
    words = [word for word in words if word != "-Werror"]
    subprocess.run([*words, "-w"], cwd=directory, check=True)
    product, world = BUILD / "tests/sim/libsim_product.a", BUILD / "tests/sim/libsim_world.a"
    drive = BUILD / "tests/sim/CMakeFiles/sim.dir/drive.c.o"
    subprocess.run([words[0], folder / "changed.o", drive, "-Wl,--start-group", world, product,
                    "-Wl,--end-group", "-lxxhash", "-lm", "-o", folder / "sim"], check=True)


def verdicts(printed):
    """What the seeds that failed died of: {seed: (rule, line)}."""
    found = {}
    for line in printed.splitlines():
        if match := VERDICT.match(line):
            died_of = "takes too long" if "it takes too long" in line else "crash"
            found[match["seed"]] = match["rule"] or died_of, line
    return found


def run_sim(folder, *words):
    ran = subprocess.run([folder / "sim", *words], stdout=subprocess.PIPE, text=True, check=False)
    print(ran.stdout)
    return ran


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, tmp_path):
    build(name, tmp_path)
    rules = MUTATIONS[name][0].split("|")
    ran = run_sim(tmp_path, "--seeds", str(SEEDS))
    found = verdicts(ran.stdout)
    assert ran.returncode == 1 and found, f"{SEEDS} seeds found nothing wrong"
    assert {rule for rule, _ in found.values()} <= set(rules)
    seed, (rule, line) = found.popitem()
    again = run_sim(tmp_path, "--seed", seed)
    assert again.returncode == 1 and verdicts(again.stdout) == {seed: (rule, line)}
    assert "its end (" in again.stdout and (rule == "crash" or f"  {line}" in again.stdout)
    assert len(again.stdout.splitlines()) < 100
