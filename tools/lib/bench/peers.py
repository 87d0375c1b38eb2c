"""What a user would pick instead: pgloader (Debian) and Sling (PyPI, in a release that brings its binary)."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.programs import output_of, run_pipeline
from bench.tables import SOURCE, TABLE

SLING_PACKAGE = "sling-linux-amd64"
SLING_VERSION = "1.4.11"  # later ones download their binary at the first start
SLING_BINARY = "sling_linux_amd64/bin/sling-linux-amd64"

PGLOADER_COMMANDS = {
    "mariadb": f"""LOAD DATABASE FROM {{source}} INTO {{target}}
        WITH include drop, create tables, create indexes, no foreign keys
        INCLUDING ONLY TABLE NAMES MATCHING '{TABLE}'
        ALTER SCHEMA '{SOURCE}' RENAME TO 'public';""",
    "postgres": f"""LOAD DATABASE FROM {{source}} INTO {{target}}
        WITH include drop, create tables, create indexes, no foreign keys
        INCLUDING ONLY TABLE NAMES MATCHING '{TABLE}' IN SCHEMA 'public';""",
}


class Pgloader:
    name = "pgloader"

    def version(self):
        return output_of("pgloader", "--version")

    def full(self, bench, source_name):
        script = Path(bench.folder) / "pgloader.load"
        script.write_text(PGLOADER_COMMANDS[source_name].format(source=bench.source(source_name).url,
                                                                target=bench.target.url))
        return run_pipeline([["pgloader", "--root-dir", str(bench.folder), str(script)]], bench.folder)


class Sling:
    name = "sling"

    def __init__(self):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haul"
        self.binary = cache / f"sling-{SLING_VERSION}" / Path(SLING_BINARY).name
        if not self.binary.exists():
            self._fetch()

    def _fetch(self):
        folder = self.binary.parent
        folder.mkdir(parents=True, exist_ok=True)
        print(f"bench: fetching Sling {SLING_VERSION} from PyPI, once (93 MB)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check",
                        "-d", folder, f"{SLING_PACKAGE}=={SLING_VERSION}"], check=True, timeout=600)
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            part = folder / "part"
            part.write_bytes(archive.read(SLING_BINARY))
        part.chmod(0o755)
        part.rename(self.binary)
        wheel.unlink()

    def version(self):
        return SLING_VERSION

    def _run(self, bench, source_name, table, *options):
        home = Path(bench.folder) / "sling"
        home.mkdir(exist_ok=True)
        schema = SOURCE if source_name == "mariadb" else "public"
        env = {"SOURCE": bench.source(source_name).url, "TARGET": bench.target.url + "?sslmode=disable",
               "SLING_HOME_DIR": str(home), "SLING_DISABLE_TELEMETRY": "true", "HOME": str(home)}
        if source_name == "postgres":
            env["SOURCE"] += "?sslmode=disable"
        return run_pipeline([[str(self.binary), "run", "--src-conn", "SOURCE", "--src-stream", f"{schema}.{TABLE}",
                              "--tgt-conn", "TARGET", "--tgt-object", f"public.{table}", "--primary-key", "id",
                              *options]], bench.folder, env)

    def full(self, bench, source_name, table=TABLE):
        return self._run(bench, source_name, table, "--mode", "full-refresh")

    def upsert(self, bench, source_name, table):
        return self._run(bench, source_name, table, "--mode", "incremental", "--update-key", "updated_at")
