"""The rules of the house as functions over sources: each gives a list of "path:line what is wrong"."""

import re
from pathlib import PurePosixPath

FLOORS = ("base", "model", "io", "sync", "run")

# Headers of the C library and POSIX; every other <header> belongs to a library.
STANDARD = set("""
assert ctype endian errno fcntl float inttypes limits locale math poll pthread sched signal stdalign stdarg
stdatomic stdbool stddef stdint stdio stdlib string strings termios time unistd netdb fnmatch glob getopt
spawn malloc syslog dirent langinfo
""".split())
STANDARD_FOLDERS = ("sys/", "netinet/", "arpa/", "net/", "linux/")

# A library is known by how its headers begin.
LIBRARIES = {
    "librdkafka/": "librdkafka", "hiredis/": "hiredis", "libpq-fe.h": "libpq", "libpq/": "libpq",
    "postgres_ext.h": "libpq", "curl/": "libcurl", "jansson.h": "jansson", "sodium.h": "libsodium",
    "sodium/": "libsodium", "mysql.h": "libmariadb", "mysql/": "libmariadb", "mariadb": "libmariadb",
    "errmsg.h": "libmariadb", "mysqld_error.h": "libmariadb", "microhttpd.h": "libmicrohttpd",
    "xxhash.h": "libxxhash",
}

BANNED = {
    "strcpy": "text_copy or arena_strdup", "strcat": "struct str", "sprintf": "snprintf or str_addf",
    "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strcspn", "strtok_r": "strcspn",
    "atoi": "num_parse_i64", "atol": "num_parse_i64", "atoll": "num_parse_i64", "atof": "num_parse_f64",
    "alloca": "an arena", "setjmp": "enum outcome", "longjmp": "enum outcome", "thrd_create": "pthreads",
}
HEAP = ("malloc", "calloc", "realloc", "free", "strdup", "strndup", "asprintf")
HEAP_FLOORS = ("base", "io")  # the others' job memory comes from arenas
CLOCKS = ("clock_wall_us", "clock_monotonic_us", "clock_sleep_us", "clock_gettime", "time", "usleep", "sleep")
MODEL_HEADERS = ("pthread.h", "unistd.h", "fcntl.h", "signal.h", "poll.h", "netdb.h")

FUNCTION_MAX_LINES = 100
LONG_FUNCTIONS = ()  # "path function": allowed beyond the maximum, with a reason beside it

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.MULTILINE)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def code_only(text):
    """The text with comments, strings and characters blanked, its lines kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def includes(text):
    """(line, is a library's or the system's, header) of each include."""
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match[1] == "<", match[2]


def floor_of(path):
    """The floor of a file of common/; "worker" and "tool" stand above them all; None for anything else."""
    parts = PurePosixPath(path).parts
    if parts[0] == "common" and len(parts) > 2:
        return parts[1]
    return {"workers": "worker", "tools": "tool"}.get(parts[0])


def library_of(header):
    """The library that a <header> belongs to; None for the system's."""
    for start, library in LIBRARIES.items():
        if header.startswith(start):
            return library
    if header.removesuffix(".h") in STANDARD or header.startswith(STANDARD_FOLDERS):
        return None
    return header


def check_floors(path, text):
    """A file of common/ includes its own floor and lower ones, by their names."""
    floor = floor_of(path)
    if floor not in FLOORS:
        return []
    wrong = []
    for line, is_system, header in includes(text):
        if is_system:
            continue
        other = header.split("/")[0]
        if "/" not in header or other not in FLOORS:
            wrong.append(f"{path}:{line} includes \"{header}\": name a header of a floor, as \"base/err.h\"")
        elif FLOORS.index(other) > FLOORS.index(floor):
            wrong.append(f"{path}:{line} floor {floor} includes {header}, of a higher floor")
    return wrong


def check_connectors(path, text):
    """A connector's folder knows no other connector's."""
    parts = PurePosixPath(path).parts
    if parts[0] != "workers" or len(parts) < 4:
        return []
    return [f"{path}:{line} connector {parts[2]} includes {header}, of another folder"
            for line, is_system, header in includes(text)
            if not is_system and "/" in header and header.split("/")[0] not in (*FLOORS, parts[2])]


def module_of(path):
    """What may hold one library: a connector's folder; else the files that share a name up to the first _."""
    place = PurePosixPath(path)
    if place.parts[0] == "workers" and len(place.parts) > 3:
        return str(place.parent)
    return f"{place.parent}/{place.stem.split('_')[0]}"


def check_libraries(sources):
    """A library's header stands in one module of io, or in one connector that speaks by it, or (libpq:
    the hub, and PostgreSQL as a source and target) one of each; and in no header but a private one."""
    wrong, homes = [], {}
    for path, text in sources.items():
        if floor_of(path) is None:
            continue
        for line, is_system, header in includes(text):
            library = library_of(header) if is_system else None
            if library is None:
                continue
            homes.setdefault((library, floor_of(path)), {}).setdefault(module_of(path), f"{path}:{line}")
            if path.endswith(".h") and not path.endswith("_private.h"):
                wrong.append(f"{path}:{line} a public header includes {header} of {library}")
            if floor_of(path) in ("base", "model", "sync", "run", "tool"):
                wrong.append(f"{path}:{line} {header} of {library} belongs into io or a connector")
    for (library, _), modules in homes.items():
        if len(modules) > 1:
            wrong.append(f"{library} is included by several modules: {', '.join(sorted(modules.values()))}")
    return wrong


def calls(text, names):
    """(line, name) of each call of one of the functions."""
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
    code = code_only(text)
    return [(line_of(code, match.start()), match[1]) for match in pattern.finditer(code)]


def check_banned(path, text):
    return [f"{path}:{line} calls {name}: use {BANNED[name]}" for line, name in calls(text, BANNED)]


def check_model_is_pure(path, text):
    """model/ asks no clock and no operating system."""
    if floor_of(path) != "model":
        return []
    wrong = [f"{path}:{line} model calls {name}" for line, name in calls(text, CLOCKS)]
    return wrong + [f"{path}:{line} model includes {header}" for line, is_system, header in includes(text)
                    if header in MODEL_HEADERS or header.startswith("sys/") or header == "base/log.h"]


def check_logging(path, text):
    """Library code returns errors: run/ and the mains log."""
    if floor_of(path) not in ("model", "io", "sync"):
        return []
    return [f"{path}:{line} {floor_of(path)} includes base/log.h" for line, _, header in includes(text)
            if header == "base/log.h"]


def heap_calls(path, text):
    """Not wrong, but worth a look: job memory comes from an arena."""
    floor = floor_of(path)
    if floor in HEAP_FLOORS or floor in (None, "tool"):
        return []
    return [f"{path}:{line} {name}" for line, name in calls(text, HEAP)]


def functions(text):
    """(name, first line, lines) of each function: formatted code has its braces alone in column 0."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line != "{":
            continue
        first = number
        while first > 0 and lines[first - 1].strip() and not re.match(r"[#}/]| \*|.*;$", lines[first - 1]):
            first -= 1
        end = next((n for n in range(number, len(lines)) if lines[n] == "}"), len(lines) - 1)
        name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\(\(.*?\)\)", "", " ".join(lines[first:number])))
        yield name[1] if name else "?", first + 1, end - first + 1


def check_function_length(path, text):
    return [f"{path}:{first} {name} has {length} lines" for name, first, length in functions(text)
            if length > FUNCTION_MAX_LINES and f"{path} {name}" not in LONG_FUNCTIONS]


def check_header_says_what_it_is(path, text):
    """A header of common/ opens with "name: what it is." and is guarded by its own name."""
    place = PurePosixPath(path)
    if floor_of(path) not in FLOORS or place.suffix != ".h":
        return []
    wrong = []
    if not re.match(rf"/\*\n \* {re.escape(place.stem)}\b.*: ", text):
        wrong.append(f"{path}:1 does not open with \"{place.stem}: what it is\"")
    guard = f"HAUL_{floor_of(path)}_{place.stem}_H".upper()
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        wrong.append(f"{path}:1 is not guarded by {guard}")
    return wrong


def check_unfinished(path, text):
    return [f"{path}:{line_of(text, match.start())} {match[0]}"
            for match in re.finditer(r"\b(TODO|FIXME|XXX)\b", text)]
