"""The rules of the house hold for every source, and each rule finds what breaks it."""

import subprocess
import warnings
from functools import cache
from pathlib import Path

import pytest

from house import rules

ROOT = Path(__file__).resolve().parents[2]


@cache
def sources():
    """path -> text of every C source under version control."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", "*.c", "*.h"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout
    texts = {path: ROOT / path for path in listed.split("\0") if path}
    return {path: place.read_text() for path, place in texts.items() if place.exists()}


def assert_none(wrong):
    assert not wrong, "\n" + "\n".join(wrong)


FILE_RULES = [rules.check_floors, rules.check_connectors, rules.check_banned, rules.check_model_is_pure,
              rules.check_logging, rules.check_function_length, rules.check_header_says_what_it_is,
              rules.check_unfinished]


def test_there_are_sources():
    assert {"common/base/err.h", "tests/unit/check.h"} <= set(sources())


@pytest.mark.parametrize("rule", FILE_RULES, ids=lambda rule: rule.__name__)
def test_rule(rule):
    assert_none([wrong for path, text in sources().items() for wrong in rule(path, text)])


def test_a_library_has_one_home():
    assert_none(rules.check_libraries(sources()))


def test_heap_outside_base_and_io_is_told():
    told = [call for path, text in sources().items() for call in rules.heap_calls(path, text)]
    if told:
        warnings.warn(f"{len(told)} heap calls outside base and io: {', '.join(told)}", stacklevel=1)


def test_format():
    """clang-format 14 would change nothing."""
    done = subprocess.run(["clang-format-14", "--dry-run", "--Werror", *sources()], cwd=ROOT, capture_output=True,
                          text=True)
    files = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
    assert done.returncode == 0, "run clang-format-14 -i on: " + " ".join(files)


def test_mains_are_short():
    """A worker's main is a table and a call: at most 60 lines."""
    assert_none([f"{path} has {len(text.splitlines())} lines" for path, text in sources().items()
                 if path.startswith("workers/") and path.endswith("/main.c") and len(text.splitlines()) > 60])


# --- each rule finds what breaks it: (rule, path, text, how many it finds) ------------------------

LONG = "int f(void)\n{\n" + "    g();\n" * 98 + "}\n"
SAMPLES = [
    (rules.check_floors, "common/base/a.c", '#include "model/job.h"\n', 1),
    (rules.check_floors, "common/io/a.c", '# include "sync/x.h"\n#include "model/y.h"\n', 1),
    (rules.check_floors, "common/run/a.c", '#include "base/err.h"\n#include <stdio.h>\n', 0),
    (rules.check_floors, "common/run/a.c", '#include "a.h"\n#include "tests/check.h"\n', 2),
    (rules.check_floors, "workers/x/a.c", '#include "run/worker.h"\n', 0),
    (rules.check_connectors, "workers/x/pg/a.c", '#include "mysql/a.h"\n#include "pg/a.h"\n', 1),
    (rules.check_connectors, "workers/x/pg/a.c", '#include "sync/connector.h"\n#include <a/b.h>\n', 0),
    (rules.check_banned, "a.c", "strcpy(a, b);\nx = atoi (c);\n", 2),
    (rules.check_banned, "a.c", '// strcpy(a)\n/* gets(b) */ "sprintf(c)" x.gets(1) my_gets(2) snprintf(d)', 0),
    (rules.check_banned, "a.c", "'\"' strtok(a) '\"'", 1),
    (rules.check_model_is_pure, "common/model/a.c", "#include <unistd.h>\nx = clock_wall_us();\n", 2),
    (rules.check_model_is_pure, "common/model/a.c", '#include "base/clock.h"\ny = run_time(x); clock_format(y, z);', 0),
    (rules.check_model_is_pure, "common/io/a.c", "#include <unistd.h>\n", 0),
    (rules.check_logging, "common/sync/a.c", '#include "base/log.h"\n', 1),
    (rules.check_logging, "common/run/a.c", '#include "base/log.h"\n', 0),
    (rules.check_function_length, "a.c", LONG, 1),
    (rules.check_function_length, "a.c", LONG.replace("    g();\n", "", 1), 0),
    (rules.check_function_length, "a.c", "static int t[] = {\n" + "1,\n" * 200 + "};\n", 0),
    (rules.check_header_says_what_it_is, "common/io/pg.h",
     "/*\n * pg: rows.\n */\n#ifndef HAUL_IO_PG_H\n#define HAUL_IO_PG_H\n", 0),
    (rules.check_header_says_what_it_is, "common/io/pg.h", "#ifndef PG_H\n#define PG_H\n", 2),
    (rules.check_unfinished, "a.c", "/* TODO: more */\nint todo, XXXX;\n", 1),
    (rules.heap_calls, "common/run/a.c", "p = malloc(4);\narena_free(p); x->free(p);\n", 1),
    (rules.heap_calls, "common/io/a.c", "p = malloc(4);\n", 0),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample[0].__name__}-{sample[1]}-{sample[3]}")
def test_rule_finds(sample):
    rule, path, text, count = sample
    assert len(rule(path, text)) == count, rule(path, text)


LIBRARY_SAMPLES = {
    "one home": ({"common/io/kafka.c": "#include <librdkafka/rdkafka.h>\n"}, 0),
    "a module of two files": ({"common/io/pg.c": "#include <libpq-fe.h>\n",
                               "common/io/pg_copy.c": "#include <libpq-fe.h>\n"}, 0),
    "two homes": ({"common/io/a.c": "#include <jansson.h>\n", "common/io/b.c": "#include <jansson.h>\n"}, 1),
    "io and a connector": ({"common/io/pg.c": "#include <libpq-fe.h>\n",
                            "workers/w/pg/a.c": "#include <libpq-fe.h>\n"}, 0),
    "two connectors": ({"workers/w/pg/a.c": "#include <libpq-fe.h>\n",
                        "workers/w/other/a.c": "#include <libpq-fe.h>\n"}, 1),
    "public header": ({"common/io/http.h": "#include <curl/curl.h>\n"}, 1),
    "private header": ({"common/io/http_private.h": "#include <curl/curl.h>\n"}, 0),
    "wrong floor": ({"common/run/a.c": "#include <hiredis/hiredis.h>\n"}, 1),
    "an unknown library": ({"common/base/a.c": "#include <yaml.h>\n"}, 1),
    "the system": ({"common/base/a.c": "#include <stdio.h>\n#include <sys/mman.h>\n"}, 0),
    "a test may": ({"tests/unit/io/a.c": "#include <jansson.h>\n", "common/io/json.c": "#include <jansson.h>\n"}, 0),
}


@pytest.mark.parametrize("name", LIBRARY_SAMPLES)
def test_library_rule_finds(name):
    files, count = LIBRARY_SAMPLES[name]
    assert len(rules.check_libraries(files)) == count, rules.check_libraries(files)


def test_functions_are_found():
    found = list(rules.functions("#include <a.h>\n\nint a(void)\n{\n}\n\nstatic enum outcome\nlong_name(int x,\n"
                                 "          int y)\n{\n    return 1;\n}\n"))
    assert found == [("a", 3, 3), ("long_name", 7, 6)]
