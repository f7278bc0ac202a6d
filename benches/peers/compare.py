"""Runs logmill and the loaders one after the other on the same file, and checks which rows arrived. See `run`."""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import common  # noqa: E402

PROGRAM = sys.argv[1]
RECORDS = int(os.environ.get("RECORDS", 200_000))
RUNS = int(os.environ.get("RUNS", 3))

JOB = """name = "peer"
[source]
format = "ndjson"
files = ["FILE"]
[record.fields]
trace = "uuid"
timestamp = "timestamp"
severity = { type = "enum", values = ["INFO", "WARN", "ERROR"] }
module = { type = "text", min_length = 1 }
message = "text"
user_id = { type = "int", ge = 0 }
latency_ms = "float"
ok = "bool"
[destination]
url = "URL"
table = "peer"
key = ["trace"]
"""

# Name, description, destination.
PEERS = [
    ("logmill", "logmill", "postgres"),
    ("psql_floor", "psql `\\copy` of ready binary rows, which parses nothing", "postgres"),
    ("msgspec_binary", "msgspec, binary COPY packed by hand, upsert", "postgres"),
    ("pydantic_copy", "Pydantic, psycopg COPY, upsert", "postgres"),
    ("pydantic_executemany", "Pydantic, psycopg executemany", "postgres"),
    ("duckdb_copy", "duckdb, COPY, upsert", "postgres"),
    ("logmill", "logmill", "sqlite"),
    ("sqlite_loop", "Pydantic, a prepared loop", "sqlite"),
    ("sqlite_utils_upsert", "Pydantic, sqlite-utils", "sqlite"),
    ("logmill", "logmill", "check"),
    ("check_orjson", "orjson alone, which validates nothing", "check"),
    ("check_msgspec", "msgspec alone", "check"),
    ("check_pydantic", "Pydantic alone", "check"),
]


class Server:
    """A private PostgreSQL that writes to disk, or the server that DATABASE names."""

    def __init__(self, folder):
        self.process = None
        self.url = os.environ.get("DATABASE")
        if self.url:
            return
        bin = self.programs()
        data = folder / "data"
        data.mkdir()
        # PostgreSQL refuses to run as root.
        self.user = []
        if os.geteuid() == 0:
            folder.chmod(0o755)
            shutil.chown(data, "postgres" if self.has_user("postgres") else "nobody")
            data.chmod(0o700)
            self.user = ["setpriv", f"--reuid={data.stat().st_uid}", "--clear-groups", "--"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": data}
        made = subprocess.run([*self.user, bin / "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale",
                               "-D", data / "db"], **quiet)
        if made.returncode:
            raise OSError(f"initdb: {made.stderr.decode().strip()}")
        settings = {"listen_addresses": "", "unix_socket_directories": data, "shared_buffers": "1GB",
                    "max_wal_size": "8GB", "autovacuum": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen([*self.user, bin / "postgres", "-D", data / "db", *options],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data)
        self.url = f"host={data} user=postgres dbname=postgres"
        self.wait()

    @staticmethod
    def has_user(name):
        return subprocess.run(["id", name], capture_output=True).returncode == 0

    @staticmethod
    def programs():
        named = [os.environ.get("PG_BIN", "")]
        named += [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        named += [str(Path(found).resolve().parent) for found in [shutil.which("initdb")] if found]
        for folder in filter(None, named):
            if (Path(folder) / "initdb").exists() and (Path(folder) / "postgres").exists():
                return Path(folder)
        raise OSError("there is no PostgreSQL server here (PG_BIN names the folder of its programs)")

    def wait(self):
        import psycopg

        for _ in range(600):
            try:
                return psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise OSError("the server does not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


def canonical(row):
    """Formats a row as text, the same for every database."""
    trace, at, severity, module, message, user, latency, ok = row
    if isinstance(at, str):
        at = datetime.fromisoformat(at.replace("Z", "+00:00"))
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    at = at.astimezone(timezone.utc).isoformat(timespec="microseconds")
    return repr((str(trace), at, severity, module, message, int(user), float(latency), bool(ok)))


def digest(rows):
    """Returns the number of rows and a hash that does not depend on their order."""
    lines = sorted(map(canonical, rows))
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def truth(file):
    """Computes the correct result: every line through the Pydantic model, and the last record of each trace."""
    rejects, rows = [], {}
    for row in common.rows(file, rejects.append):
        rows[row[0]] = row
    return digest(rows.values()), rejects


def run(command, environment, log):
    """Returns wall seconds, CPU seconds, peak MiB, the exit code and stderr."""
    # At the fork, the system charges our own memory to the child, so measure a grandchild.
    timed = ["/usr/bin/time", "-f", "%M", "-o", log] if Path("/usr/bin/time").exists() else []
    began = time.perf_counter()
    process = subprocess.Popen([*timed, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    mib = int(log.read_text().split()[-1]) / 1024 if timed else float("nan")
    return seconds, usage.ru_utime + usage.ru_stime, mib, process.returncode, said.decode(errors="replace")


class Ground:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.file = folder / "app.ndjson"
        subprocess.run([PROGRAM, "bench", "generate", "-q", "-o", self.file, "--records", str(RECORDS), "--bad", "0.1%",
                        "--duplicates", "1%"], check=True, stdout=subprocess.DEVNULL)
        self.truth, self.rejects = truth(self.file)
        self.ready = folder / "ready.bin"

    def sql(self, *statements):
        import psycopg

        with psycopg.connect(self.server.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def prepare(self, name, place):
        """Prepares an empty table and returns the command that fills it."""
        target = self.server.url if place == "postgres" else str(self.folder / "peer.db")
        for path in self.folder.glob("peer.db*"):
            path.unlink()
        if place == "postgres":
            self.sql("DROP TABLE IF EXISTS peer", "DROP SCHEMA IF EXISTS logmill CASCADE")
        if name == "logmill":
            job = self.folder / "job.toml"
            url = target if place == "postgres" else f"sqlite:{target}"
            job.write_text(JOB.replace("FILE", str(self.file)).replace("URL", url))
            return [PROGRAM, "check" if place == "check" else "load", "-q", "-j", job]
        if place == "postgres":
            self.sql(common.POSTGRES_TABLE, "CHECKPOINT")
        elif place == "sqlite":
            with sqlite3.connect(target) as connection:
                connection.execute(common.SQLITE_TABLE)
        if name == "psql_floor":
            copy = f"\\copy peer ({', '.join(common.COLUMNS)}) from '{self.ready}' (format binary)"
            return ["psql", "-qX", "-d", self.server.url, "-c", copy]
        rejects = self.folder / "rejects"
        return [sys.executable, HERE / "loaders" / f"{name}.py", self.file, target, rejects]

    def make_ready(self):
        """Writes the rows that a Pydantic loader put into the table, in a form that psql can copy."""
        import psycopg

        names = ", ".join(common.COLUMNS)
        with psycopg.connect(self.server.url) as connection, open(self.ready, "wb") as out:
            with connection.cursor().copy(f"COPY peer ({names}) TO STDOUT (FORMAT binary)") as copy:
                for piece in copy:
                    out.write(piece)

    def arrived(self, place):
        """Returns the number of rows in the table and their digest."""
        import psycopg

        sql = f"SELECT {', '.join(common.COLUMNS)} FROM peer"
        if place == "postgres":
            with psycopg.connect(self.server.url) as connection:
                return digest(connection.execute(sql))
        with sqlite3.connect(self.folder / "peer.db") as connection:
            return digest(connection.execute(sql))

    def told(self, name, place):
        """Returns the lines that the loader reports as rejected; None if it reports none."""
        if name in ("psql_floor", "duckdb_copy"):
            return None
        if name != "logmill":
            return [int(line) for line in (self.folder / "rejects").read_text().split()]
        if place == "check":
            verdicts = self.folder / "verdicts"
            subprocess.run([PROGRAM, "check", "-q", "-j", self.folder / "job.toml", "--verdicts", verdicts],
                           stdout=subprocess.DEVNULL)
            with open(verdicts) as lines:
                return [verdict["line"] for verdict in map(json.loads, lines) if not verdict["valid"]]
        listed = subprocess.run([PROGRAM, "dead-letters", "list", "-j", self.folder / "job.toml", "-n", "0",
                                 "--output", "json"], capture_output=True, check=True)
        return sorted(letter["line"] for letter in json.loads(listed.stdout)["dead_letters"])


def measured(ground, name, place):
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    costs = []
    for _ in range(RUNS):
        command = ground.prepare(name, place)
        *cost, exit, said = run(command, environment, ground.folder / "time")
        # 3 means that some records were rejected, as they should be.
        if exit not in ((0, 3) if name == "logmill" else (0,)):
            said = (said.strip() or f"exit {exit}").splitlines()[-1]
            return None, f"left out: {said[:100]}"
        costs.append(cost)
    if place == "check":
        right = "-"
    else:
        rows, hash = ground.arrived(place)
        right = f"{rows:,}" + (", all right" if (rows, hash) == ground.truth else f" of {ground.truth[0]:,}, WRONG")
    told = ground.told(name, place)
    places = "not told" if told is None else (
        f"{len(told)}, all right" if sorted(told) == ground.rejects else f"{len(told)} of {len(ground.rejects)}, WRONG")
    if name == "psql_floor":
        places = "-"
    return [statistics.median(figure) for figure in zip(*costs)], (right, places)


def main():
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="logmill-peers-") as folder:
        folder = Path(folder)
        try:
            server, why = Server(folder), None
        except (OSError, ImportError) as error:
            server, why = None, str(error)
        try:
            ground = Ground(folder, server)
            if server:
                ground.prepare("pydantic_copy", "postgres")
                subprocess.run(ground.prepare("pydantic_copy", "postgres"), check=True,
                               env={**os.environ, "PYTHONPATH": str(HERE)})
                ground.make_ready()
                if os.geteuid() == 0:
                    folder.chmod(0o755)
            show(ground, wanted, why)
        finally:
            if server:
                server.stop()


def show(ground, wanted, why):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.machine())
    print(f"{RECORDS:,} records, {ground.file.stat().st_size / 1e6:.0f} MB, 0.1 % bad, 1 % twice, key `trace`; medians of "
          f"{RUNS}; {os.cpu_count()} cores of {cpu}, Linux {platform.release()}\n")
    print("| into | loader | records/s | logmill is so many times as fast | s | CPU s | MiB | rows | rejects with their lines |")
    print("|---|---|---:|---:|---:|---:|---:|---|---|")
    ours = {}
    for name, what, place in PEERS:
        if wanted and name not in wanted:
            continue
        if place == "postgres" and why:
            print(f"benches/peers: {what} is left out: {why}", file=sys.stderr)
            continue
        cost, found = measured(ground, name, place)
        if cost is None:
            print(f"benches/peers: {what} is {found}", file=sys.stderr)
            continue
        seconds, cpu_seconds, mib = cost
        if name == "logmill":
            ours[place] = seconds
        ratio = f"{seconds / ours[place]:.1f}" if place in ours and name != "logmill" else "-"
        print(f"| {place} | {what} | {RECORDS / seconds:,.0f} | {ratio} | {seconds:.2f} | {cpu_seconds:.2f} | {mib:.0f} | "
              f"{found[0]} | {found[1]} |", flush=True)


main()
