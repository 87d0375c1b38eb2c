"""tools/bench table: the newest results as the README's tables."""

import json
from statistics import median

from bench import RESULTS, ROOT

FULL = (("limit", "limit: the databases' own clients, piped"),
        ("haul", "**haul**, default verification"),
        ("haul_verified", "**haul**, every row read back"),
        ("pgloader", "pgloader {pgloader}"), ("sling", "Sling {sling}"))
UPSERT = (("hand", "by hand: psql, staging, INSERT ... ON CONFLICT"),
          ("haul", "**haul**, every changed row read back"), ("sling", "Sling {sling}"))
SOURCES = (("mariadb", "MariaDB → PostgreSQL"), ("postgres", "PostgreSQL → PostgreSQL"))


BUSY_LOAD = 1
RUNTIME = (("bare loop", "limit: a loop in C: poll, parse, one event, commit"),
           ("haul idle", "**haul**, idempotent kind, three events a job"),
           ("parallel-consumer", "parallel-consumer {parallel-consumer}, one event"),
           ("parallel-consumer x64", "the same, 64 threads"),
           ("hub loop", "the loop with a Redis lease and a PostgreSQL row a job, by 100"),
           ("haul noop", "**haul**, lease, fence and ledger, three events a job"),
           ("river", "River {river} (PostgreSQL)"), ("bullmq", "BullMQ {bullmq} (Redis)"),
           ("asynq", "Asynq {asynq} (Redis)"))


def newest(what):
    found = sorted(RESULTS.glob(f"{what}-*.json"))
    return (found[-1], json.loads(found[-1].read_text())) if found else (None, None)


def _cell(times, what, source, who, base):
    if (what, source, who) not in times:
        return "–"
    seconds = times[what, source, who]["median_s"]
    return f"{seconds:.2f} s ({seconds / times[what, source, base]['median_s']:.2f} ×)"


def _lines(result, times, what, base, contenders):
    names = {**result["versions"], "pgloader": result["versions"].get("pgloader", "").split('"')[1:2]}
    names["pgloader"] = names["pgloader"][0] if names["pgloader"] else ""
    for who, label in contenders:
        peaks = [peak for key, one in times.items() if (key[0], key[2]) == (what, who) for peak in one["peak_mb"]]
        if peaks:
            cells = [_cell(times, what, source, who, base) for source, _ in SOURCES]
            yield f"| {label.format(**names)} | {' | '.join(cells)} | {max(peaks):.0f} |"


def _missed(result):
    missed = [bar["name"] for bar in result["bars"] if not bar["met"]]
    return [f"Missed: {', '.join(missed)}."] if missed else []


def sql_table(result):
    times = {(one["what"], one["source"], one["contender"]): one for one in result["times"]}
    machine, versions = result["machine"], result["versions"]
    head = f"| {' | '.join(title for _, title in SOURCES)} | peak MB |\n|---|---|---|---|"
    lines = [f"| {result['rows']:,} rows, {result['text_bytes'] / 1e6:.0f} MB, from the job's production to its receipt "
             + head,
             *_lines(result, times, "full", "limit", FULL),
             f"| **{result['changed_rows']:,} changed rows of them** | | | |",
             *_lines(result, times, "upsert", "hand", UPSERT)]
    big = [peak for key, one in times.items() if key[0] == "big" for peak in one["peak_mb"]]
    notes = [f"Medians of {result['runs']} by `tools/bench sql` on {result['time'][:10]}: {machine['cores']} cores "
             f"({machine['cpu']}), {machine['system']}, PostgreSQL {versions['postgres'].split()[0]}, "
             f"MariaDB {versions['mariadb'].split('-')[0]}, everything on one machine; only the ratios count."]
    if big:
        notes.append(f"Over {result['big_rows']:,} rows the worker's peak is {max(big):.0f} MB.")
    notes += _missed(result)
    return "\n".join(lines) + "\n\n" + " ".join(notes)


def beside(reader):
    return "" if reader is None else f" (a bare reader of the topic beside it: {reader['p50_ms']:.1f} and {reader['p99_ms']:.1f} ms)"


RATIOS = (("haul idle", "without a ledger", (("the limit", ["bare loop"]), ("parallel-consumer", ["parallel-consumer"]))),
          ("haul noop", "with a ledger", (("the loop with Redis and PostgreSQL", ["hub loop"]),
                                          ("the best of the queues", ["river", "bullmq", "asynq"]))))


def ratios_told(speeds):
    """Of the medians, as the bars are."""
    rates = {name: one["median_rate"] for name, one in speeds.items()}
    told = []
    for name, label, others in RATIOS:
        over = [f"{rates[name] / max(rates[peer] for peer in peers):.2f} of {what}" for what, peers in others
                if name in rates and all(peer in rates for peer in peers)]
        told += [f"{label} {', '.join(over)}"] if over else []
    return [f"Haul's rate {'; '.join(told)}."] if told else []


def runtime_table(result):
    speeds = {one["contender"]: one for one in result["speeds"]}
    machine, versions, memory = result["machine"], result["versions"], result["memory"]
    lines = ["| no-op jobs, from the first one taken to the last offset committed | jobs/s | µs CPU a job | peak MB |",
             "|---|---|---|---|"]
    for name, label in RUNTIME:
        if name in speeds:
            one = speeds[name]
            lines.append(f"| {label.format(**versions)} | {one['median_rate']:,} | {median(one['cpu_us_a_job']):.0f} | "
                         f"{max(one['peak_mb']):.0f} |")
    notes = [f"Medians of {result['runs']} by `tools/bench runtime` on {result['time'][:10]}: {machine['cores']} cores "
             f"({machine['cpu']}) shared by broker, databases and one worker process, {result['jobs']:,} jobs on "
             f"{result['partitions']} partitions; CPU is the worker's own."]
    notes += ratios_told(speeds)
    if machine["load_before"][0] > BUSY_LOAD:
        notes.append(f"The machine was busy with other work (load {machine['load_before'][0]:.0f} before it): all are "
                     "slower than they could be, not all by the same factor.")
    notes += [f"{name}: left out, {why}." for name, why in result["left_out"].items()]
    if result["latency"]:
        notes.append("At 100 jobs a second, from production to start: " + "; ".join(
            f"{kind} p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms{beside(found.get('bare_reader'))}"
            for kind, found in result["latency"].items()) + ".")
    if memory:
        notes.append(f"A worker with nothing to do holds {memory['idle_mb']:.0f} MB, and {memory['partition_kb']:.0f} "
                     "KB for each partition beyond twelve.")
    for name, what in {"flood": "jobs", "ordered_flood": "jobs of a kind that keeps an order"}.items():
        if rounds := result.get(name, {}).get("rounds"):
            notes.append(f"Right behind {result[name]['jobs']:,} {what} of one workspace the last of {result[name]['lone_jobs']} lone "
                         f"jobs of others began {median(one['longest_wait_ms'] for one in rounds):.0f} ms after the flood had been sent.")
    return "\n".join(lines) + "\n\n" + " ".join(notes + _missed(result))


def main():
    readme = ROOT / "README.md"
    text = readme.read_text()
    for what, table in (("sql", sql_table), ("runtime", runtime_table)):
        path, result = newest(what)
        begin, end = f"<!-- bench:{what} -->", f"<!-- /bench:{what} -->"
        if result is None:
            print(f"no results yet: run tools/bench {what}")
            continue
        if begin not in text or end not in text:
            print(table(result))
            raise SystemExit(f"bench: README.md has no {begin} ... {end}")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{table(result)}\n{end}{rest.split(end, 1)[1]}"
        print(f"README.md: the table of {path.name}")
    readme.write_text(text)
    return 0
