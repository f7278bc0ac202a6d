"""What is installed: the command, its types, and a module of results that is what the manual says."""

from __future__ import annotations

import importlib.metadata
import pathlib
import subprocess
import sys
import typing

import pytest

import logmill
from logmill import results

HERE = pathlib.Path(__file__).parent


def test_the_command_is_found_where_the_package_is() -> None:
    said = subprocess.run(
        [logmill.find_logmill_bin(), "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("logmill ")


def test_the_version_of_the_package_is_that_of_the_command() -> None:
    said = subprocess.check_output([logmill.find_logmill_bin(), "-V"], text=True)
    assert said.split() == ["logmill", importlib.metadata.version("logmill-loader")]
    assert pathlib.Path(logmill.find_logmill_bin()).is_relative_to(sys.prefix)


def test_completions_and_manual_pages_are_installed() -> None:
    share = pathlib.Path(sys.prefix) / "share"
    assert ".TH" in (share / "man/man1/logmill.1").read_text()
    for file in (
        "bash-completion/completions/logmill",
        "zsh/site-functions/_logmill",
        "fish/vendor_completions.d/logmill.fish",
    ):
        assert "logmill" in (share / file).read_text()


def test_the_package_says_that_it_is_typed() -> None:
    assert (pathlib.Path(logmill.__file__).parent / "py.typed").exists()
    assert typing.get_type_hints(logmill.load)["return"] is logmill.Load


def test_the_results_are_those_of_the_manual() -> None:
    subprocess.run([sys.executable, HERE.parent / "make_results.py", "--check"], check=True)


def test_a_field_of_a_newer_program_is_passed_over() -> None:
    head = {"schema_version": 1, "command": "x", "outcome": "finished", "exit_code": 0, "new": {}}
    assert results.Report.read(head).outcome == "finished"


def test_the_command_can_be_named_and_its_absence_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("LOGMILL_BIN", "/named")
    assert logmill.find_logmill_bin() == "/named"
    monkeypatch.delenv("LOGMILL_BIN")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda *_, **__: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="install logmill-loader anew"):
        logmill.find_logmill_bin()
