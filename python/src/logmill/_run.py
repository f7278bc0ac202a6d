"""Run one command from start to end: arguments in, an object out, without ever killing it.

The command runs in a separate session, so Ctrl-C on the terminal reaches it only once, through this process:
a second signal would end it at once.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TypeVar

from logmill._find import find_logmill_bin
from logmill.errors import Interrupted, of_exit_code
from logmill.results import Bare, Progress, Report

R = TypeVar("R", bound=Report)
OnProgress = Callable[[Progress], object]

log = logging.getLogger("logmill")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# Why a command may end so without an error of its own.
SAID = {
    1: "a file could not be loaded, or something could not be compared; see its result",
    4: "a source has more dead letters than stop_above allows",
    5: "the destination is not what the files say",
}

# Results that are none to worry about: all is in, or all but what was rejected.
FINE = (0, 3)

_running: set[subprocess.Popen[bytes]] = set()


def interrupt(signum: signal.Signals = signal.SIGTERM) -> int:
    """Ask every command that this process has started to stop cleanly, and return how many there are.

    They commit the batch in flight first. For signal handlers, and for schedulers that end a task.
    """
    running = list(_running)
    for process in running:
        process.send_signal(signum)
    return len(running)


def run(
    kind: type[R],
    command: str,
    arguments: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
    has_progress: bool = False,
) -> R:
    """Run a command, and return its report or raise its exception."""
    flags = ["--output=json", "--log-format=json"]
    environment = {name: value for name, value in os.environ.items() if name not in DECIDED}
    environment.update(variables or {})
    reader = writer = None
    if on_progress is not None:
        reader, writer = os.pipe()
        flags.append(f"--progress-fd={writer}")
    elif has_progress:
        flags.append("--progress=none")
    try:
        process = subprocess.Popen(
            [find_logmill_bin(), *command.split(), *flags, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=() if writer is None else (writer,),
            start_new_session=True,
        )
    except BaseException:
        if reader is not None:
            os.close(reader)
        raise
    finally:
        if writer is not None:
            os.close(writer)
    _running.add(process)
    try:
        code, out, errors = _Watched(process, reader, on_progress).wait()
    finally:
        if process.poll() is None:
            # Ctrl-C, before anything was listening.
            process.send_signal(signal.SIGINT)
        _running.discard(process)
    return _told(kind, command, code, out, errors)


# What we say ourselves, whatever the environment does.
DECIDED = ("LOGMILL_OUTPUT", "LOGMILL_LOG_FORMAT", "LOGMILL_PROGRESS")


class _Watched:
    """A running command and its output."""

    def __init__(
        self, process: subprocess.Popen[bytes], progress: int | None, on_progress: OnProgress | None
    ):
        self.process = process
        self.progress = None if progress is None else os.fdopen(progress, "rb")
        self.on_progress = on_progress
        self.out = b""
        self.errors: list[str] = []
        # A process blocks if nobody reads its output.
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read_out, self._hear)]
        for reader in self.readers:
            reader.start()

    def wait(self) -> tuple[int, bytes, list[str]]:
        """Wait until it has ended, and then raise anything that happened meanwhile."""
        raised: BaseException | None = None
        while True:
            try:
                self._follow()
                code = self.process.wait()
                for reader in self.readers:
                    reader.join()
                break
            except BaseException as error:
                # Ctrl-C, or an error of on_progress, which is not called again. Stop the command, and wait.
                raised, self.on_progress = error, None
                self.process.send_signal(signal.SIGINT)
        for pipe in (self.progress, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        if raised is not None:
            raise raised
        return code, self.out, self.errors

    def _follow(self) -> None:
        """Pass progress on, in the thread of the caller."""
        if self.progress is None:
            return
        for line in self.progress:
            if self.on_progress is not None:
                self.on_progress(Progress.read(json.loads(line)))

    def _read_out(self) -> None:
        self.out = _pipe(self.process.stdout).read()

    def _hear(self) -> None:
        """Pass messages to Python's log. An error is also the text of an exception."""
        for line in _pipe(self.process.stderr):
            text = line.decode(errors="replace").rstrip("\n")
            try:
                message = json.loads(text)
                level, words = message["level"], message["message"]
            except (ValueError, KeyError, TypeError):
                # Errors of the command line are printed before the log format is known.
                level, words, message = "error", text, {}
            if level == "error":
                self.errors.append(words)
            event: Any = message.get("event")
            log.log(LEVELS.get(level, logging.INFO), "%s", words, extra={"event": event})


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("it was asked for")
    return pipe


def _told(kind: type[R], command: str, code: int, out: bytes, errors: list[str]) -> R:
    """Read the object on stdout, and raise on failure."""
    try:
        given = json.loads(out)
    except ValueError:
        given = None
    error_kind = None
    result: Report | None = None
    if isinstance(given, dict):
        error_kind = given.get("error_kind")
        # If it failed before it began, there is only a head.
        is_bare = "error" in given and not set(given) - set(Bare.__dataclass_fields__)
        result = Bare.read(given) if is_bare else kind.read(given)
    if code in FINE and isinstance(result, kind):
        return result
    if code < 0:
        errors.append(f"ended by {signal.Signals(-code).name}; nothing is lost; to resume, run it again")
    elif code in Interrupted.exit_codes:
        name = signal.Signals(code - 128).name
        errors.append(f"ended by {name} after a clean stop; to resume, run it again")
    text = (
        "\n".join(errors)
        or f"logmill {command} ended with exit code {code}: {SAID.get(code, 'see its result')}"
    )
    raise of_exit_code(code, text, error_kind=error_kind, result=result)
