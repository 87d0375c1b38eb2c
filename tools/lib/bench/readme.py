"""tools/bench table: the newest results as the README's table."""

import json

from bench import RESULTS, ROOT

BEGIN, END = "<!-- bench:sql -->", "<!-- /bench:sql -->"
FULL = (("limit", "limit: the databases' own clients, piped"),
        ("haul", "**haul**, default verification"),
        ("haul_verified", "**haul**, every row read back"),
        ("pgloader", "pgloader {pgloader}"), ("sling", "Sling {sling}"))
UPSERT = (("hand", "by hand: psql, staging, INSERT ... ON CONFLICT"),
          ("haul", "**haul**, every changed row read back"), ("sling", "Sling {sling}"))
SOURCES = (("mariadb", "MariaDB → PostgreSQL"), ("postgres", "PostgreSQL → PostgreSQL"))


def newest():
    found = sorted(RESULTS.glob("sql-*.json"))
    if not found:
        raise SystemExit("bench: no results yet: run tools/bench sql")
    return found[-1], json.loads(found[-1].read_text())


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


def table(result):
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
    missed = [bar["name"] for bar in result["bars"] if not bar["met"]]
    if missed:
        notes.append(f"Missed: {', '.join(missed)}.")
    return "\n".join(lines) + "\n\n" + " ".join(notes)


def main():
    path, result = newest()
    readme = ROOT / "README.md"
    text = readme.read_text() if readme.exists() else ""
    if BEGIN not in text or END not in text:
        print(table(result))
        raise SystemExit(f"bench: README.md has no {BEGIN} ... {END}")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    readme.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}")
    print(f"README.md: the table of {path.name}")
    return 0
