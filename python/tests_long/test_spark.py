"""A cluster of Spark with two workers on loopback: `.ci/long spark`.

Whatever happens to its parts, the table is what one load makes of the files. Each test finds in Spark's own
log of events that what it is about has happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pyspark
import pytest

RECORDS = 24_000
HERE = pathlib.Path(__file__).parent


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_for(what: str, ask: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


@dataclass
class Cluster:
    folder: pathlib.Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    page: int = field(default_factory=free_port)

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def launch(self, address: str, *arguments: str, **variables: str) -> None:
        home = pathlib.Path(pyspark.__file__).parent
        environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": address,
            "PYSPARK_PYTHON": sys.executable,
            **variables,
        }
        with (self.folder / f"{address}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(home / "bin/spark-class"), *arguments],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)

    def start(self) -> None:
        master = "org.apache.spark.deploy.master.Master"
        self.launch(
            "127.0.0.1",
            master,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--webui-port",
            str(self.page),
        )
        for address in ("127.0.0.2", "127.0.0.3"):
            work = str(self.folder / address)
            # On the second of them every commit takes its time: what Spark calls a straggler.
            slow = {"FAILPOINTS": "before-commit=sleep(400)"} if address.endswith("3") else {}
            self.launch(
                address, "org.apache.spark.deploy.worker.Worker", "--host", address, "--cores", "1",
                "--memory", "1g", "--webui-port", "0", "--work-dir", work, self.master, **slow,
            )  # fmt: skip
        wait_for("two workers", lambda: self.alive() == 2)

    def alive(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/") as page:
                return int(json.load(page)["aliveworkers"])
        except OSError:
            return 0

    def stop(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a cluster, and end it and all that it has started."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@dataclass
class Drive:
    """A driver, its destination, and what Spark tells of it."""

    cluster: Cluster
    url: str
    folder: pathlib.Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        (self.folder / "logs").mkdir()
        (self.folder / "events").mkdir()
        lines = [json.dumps({"n": n, "text": f"record {n} " + "x" * 30}) for n in range(RECORDS)]
        (self.folder / "logs/a.ndjson").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> subprocess.Popen[str]:
        settings = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.executor.memory": "512m",
            "spark.task.maxFailures": "8",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": f"file://{self.folder}/events",
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.python.worker.reuse": "true",
            **self.settings,
        }
        environment = {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "SETTINGS": json.dumps(settings),
        }
        with (self.folder / "driver.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    str(HERE / "driver.py"),
                    self.cluster.master,
                    self.url,
                    str(self.folder / "logs"),
                ],
                env=environment,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self.process

    def end(self) -> list[dict[str, Any]]:
        """Wait for its end, which must be good, and give its rows."""
        assert self.process is not None
        out, _ = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, (self.folder / "driver.log").read_text()[-4000:]
        return [json.loads(line) for line in out.splitlines()]

    def count(self) -> int:
        with psycopg.connect(self.url) as connection:
            if connection.execute("SELECT to_regclass('t')").fetchone() == (None,):
                return 0
            (count,) = connection.execute("SELECT count(*) FROM t").fetchone() or (0,)
        return int(count)

    def begun(self) -> int:
        """Wait until some of it is loaded, and not all."""
        count: int = wait_for("rows", self.count)
        assert 0 < count < RECORDS
        return count

    def is_exact(self) -> None:
        expected = hashlib.md5(usedforsecurity=False)
        for n in range(RECORDS):
            expected.update(f"{n}|record {n} {'x' * 30}\n".encode())
        found = hashlib.md5(usedforsecurity=False)
        with psycopg.connect(self.url) as connection:
            for n, text in connection.execute("SELECT n, text FROM t ORDER BY n, source_offset"):
                found.update(f"{n}|{text}\n".encode())
        assert self.count() == RECORDS
        assert found.hexdigest() == expected.hexdigest()

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [
            line for file in (self.folder / "events").iterdir() if file.is_file()
            for line in file.read_text().splitlines()
        ]  # fmt: skip
        # The last line of a driver that was killed may be half of one.
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event["Event"] == f"SparkListener{kind}":
                    found.append(event)
        return found


@pytest.fixture
def drive(cluster: Cluster, postgres: str, tmp_path: pathlib.Path) -> Iterator[Drive]:
    """Give a driver that is not started yet."""
    drive = Drive(cluster, postgres, tmp_path)
    yield drive
    if drive.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(drive.process.pid, signal.SIGKILL)
        drive.process.communicate()


def executors(address: str) -> list[int]:
    """The executors of the worker of an address."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            is_executor = any(word.endswith(b"CoarseGrainedExecutorBackend") for word in words)
            if is_executor and address.encode() in words:
                found.append(int(folder.name))
    return found


def test_a_row_comes_back_for_each_split_and_again_none(drive: Drive) -> None:
    drive.start()
    rows = drive.end()
    assert len(rows) > 8
    assert sum(row["inserted"] for row in rows) == RECORDS
    assert {row["outcome"] for row in rows} == {"finished"}
    drive.is_exact()
    tasks = drive.events("TaskEnd")
    assert {task["Task Info"]["Host"] for task in tasks} == {"127.0.0.2", "127.0.0.3"}
    drive.start()
    assert drive.end() == []
    drive.is_exact()


def test_an_executor_is_killed(drive: Drive) -> None:
    drive.start()
    drive.begun()
    (victim,) = executors("127.0.0.2")
    os.kill(victim, signal.SIGKILL)
    drive.end()
    drive.is_exact()
    assert drive.events("ExecutorRemoved"), "no executor died"
    ended = drive.events("TaskEnd")
    assert any(task["Task End Reason"]["Reason"] != "Success" for task in ended), "no task was lost"
    assert any(task["Task Info"]["Attempt"] > 0 for task in ended), "no task was tried again"


def test_the_driver_is_killed_and_run_again(drive: Drive) -> None:
    process = drive.start()
    before = drive.begun()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert before < RECORDS
    assert len(drive.events("JobEnd")) == 0, "the driver had ended by itself"
    drive.start()
    assert drive.end() != []
    drive.is_exact()


def test_twins_of_a_straggler(drive: Drive) -> None:
    drive.settings = {
        "spark.speculation": "true",
        "spark.speculation.interval": "100ms",
        "spark.speculation.multiplier": "1.1",
        "spark.speculation.quantile": "0.3",
        "spark.speculation.minTaskRuntime": "100ms",
    }
    drive.start()
    rows = drive.end()
    assert len(rows) == len({row["id"] for row in rows})
    drive.is_exact()
    started = drive.events("TaskStart")
    assert any(task["Task Info"]["Speculative"] for task in started), "no twin ran"


def test_a_task_fails_twice(drive: Drive) -> None:
    # The command as it is, but for one split, which it cannot be begun for twice.
    real = os.environ.get("LOGMILL_BIN", str(pathlib.Path(sys.executable).with_name("logmill")))
    odd = drive.folder / "logmill"
    odd.write_text(
        f"#!/bin/sh\ncd {drive.folder}\n"
        'case "$*" in *split=*-0\\ *) for n in 1 2; do mkdir failed-$n 2>/dev/null && exit 75; done;; esac\n'
        f'exec {real} "$@"\n'
    )
    odd.chmod(0o755)
    drive.settings = {"spark.executorEnv.LOGMILL_BIN": str(odd)}
    drive.start()
    drive.end()
    drive.is_exact()
    failed = [
        task for task in drive.events("TaskEnd") if task["Task End Reason"]["Reason"] == "ExceptionFailure"
    ]
    assert len(failed) == 2, "the task did not fail twice"
    assert "exit code 75" in json.dumps(failed[0])
