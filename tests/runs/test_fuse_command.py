"""`manage.py fuse`: what goes to stdout, what to stderr, and the exit status."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import OperationalError

from fusion.management.commands.fuse import _database_problem
from fusion.runs.progress import harmless
from tests.processes import (
    PATIENCE_S,
    ROOT,
    environment,
    manage,
    migrate,
    set_up,
    upstream_process,
    upstream_stats,
    wait_for,
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fuse")
    migrate(made)
    return made


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with upstream_process() as url:
        yield url


def test_the_final_alone_goes_to_stdout(data_dir: Path, upstream: str) -> None:
    asked = manage(data_dir, "fuse", "Why?", "--mode", "best-of", "--pool", "simulated-panel")
    assert asked.returncode == 0, asked.stderr
    assert "simulation" in asked.stdout
    assert "✓" not in asked.stdout


def test_json_prints_one_object_with_the_whole_run(data_dir: Path, upstream: str) -> None:
    asked = manage(data_dir, "fuse", "Why?", "--json", FUSION_PROVIDER_URL=upstream)
    assert asked.returncode == 0, asked.stderr
    run = json.loads(asked.stdout)
    assert run["state"] == "done"
    assert [answer["state"] for answer in run["answers"]] == ["done"] * len(run["answers"])
    assert {"run", "state", "mode", "pool", "final", "verdict", "answers", "calls", "degraded", "timing"} <= set(run)
    assert run["final"]["text"]


def test_a_debate_without_a_dispute_says_so_in_its_json(data_dir: Path, upstream: str) -> None:
    asked = manage(data_dir, "fuse", "Why?", "--json", "--mode", "debate", "--pool", "simulated-panel")
    assert asked.returncode == 0, asked.stderr
    run = json.loads(asked.stdout)
    assert (run["mode"], run["debate"]["stop"], run["debate"]["rounds"]) == ("debate", "no_dispute", [])
    assert run["final"]["text"]


def test_an_empty_question_is_a_bad_argument(data_dir: Path) -> None:
    asked = manage(data_dir, "fuse", "  ")
    assert asked.returncode == 2
    assert "Write a question first" in asked.stderr
    assert asked.stdout == ""


def test_an_unknown_pool_is_a_bad_argument_that_names_the_pools(data_dir: Path) -> None:
    asked = manage(data_dir, "fuse", "Why?", "--pool", "no-such-pool")
    assert asked.returncode == 2
    assert "system/simulated-panel" in asked.stderr


def test_an_unknown_person_is_a_bad_argument(data_dir: Path) -> None:
    asked = manage(data_dir, "fuse", "Why?", "--as", "nobody@example.com")
    assert asked.returncode == 2
    assert "nobody@example.com" in asked.stderr


def test_a_provider_that_is_gone_ends_without_a_final(data_dir: Path, upstream: str) -> None:
    made = manage(data_dir, "fuse", "Why?", FUSION_PROVIDER_URL=upstream, FUSION_PROVIDER_NAME="Lab")
    assert made.returncode == 0, made.stderr
    asked = manage(data_dir, "fuse", "Why?", "--quiet", FUSION_PROVIDER_URL="http://127.0.0.1:9/v1")
    assert asked.returncode == 1
    assert asked.stdout == ""
    assert "127.0.0.1:9" in asked.stderr


def started(data_dir: Path, upstream: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "fuse", *arguments],
        cwd=ROOT,
        env=environment(data_dir, FUSION_PROVIDER_URL=upstream),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def slow_dir(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Path:
    """Where the judge of one pool and the members of another take longer than any test."""
    made = tmp_path_factory.mktemp("slow")
    slow = tuple(f"m-{letter}-rate20-tokens2000" for letter in "abc")
    set_up(made, upstream, members=["m-a", "m-b", "m-c"], judge="judge-rate20-tokens2000", slow=slow)
    return made


@pytest.mark.parametrize(
    ("pool", "calls"), [("slow", 1), ("slow", 3), ("bench", 4)], ids=["answers", "last answer", "judging"]
)
def test_ctrl_c_stops_the_upstream_calls_and_keeps_what_came(
    slow_dir: Path, upstream: str, pool: str, calls: int
) -> None:
    begun = upstream_stats(upstream)["begun"]
    process = started(slow_dir, upstream, "Why?", "--json", "--pool", pool)
    while upstream_stats(upstream)["begun"] < begun + calls:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    wait_for(lambda: upstream_stats(upstream)["open"] == 0)
    assert json.loads(out)["state"] == "cancelled"
    assert "Traceback" not in err


def test_a_reader_that_left_is_no_error(data_dir: Path, upstream: str) -> None:
    process = started(data_dir, upstream, "Why?", "--pool", "simulated-panel", "--mode", "best-of")
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=PATIENCE_S) == 0
    err = process.stderr.read()
    process.stderr.close()
    assert "Broken" not in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("redirection", "why"), [(">&-", "standard output is closed"), ("> /dev/full", "No space left on device")]
)
def test_a_final_that_cannot_be_written_is_said_in_a_sentence(data_dir: Path, redirection: str, why: str) -> None:
    command = f'exec "$0" manage.py fuse "Why?" --pool simulated-panel --mode best-of {redirection}'
    asked = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        cwd=ROOT,
        env=environment(data_dir),
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert asked.returncode == 1
    assert f"The final could not be written: {why}." in asked.stderr
    assert "Traceback" not in asked.stderr and "Exception" not in asked.stderr


def test_a_closed_standard_input_is_a_bad_argument(data_dir: Path) -> None:
    asked = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" manage.py fuse - <&-', sys.executable],
        cwd=ROOT,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert asked.returncode == 2
    assert asked.stderr.startswith("fuse: Standard input is closed")


STANDS_STILL = """
import signal, sys, time

class StandsStill:
    def find_spec(self, name, *_):
        if name == {name!r}:
            print("loading", flush=True)
            time.sleep({seconds})

sys.meta_path.insert(0, StandsStill())
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs are without
"""


@pytest.mark.parametrize("name", ["django.core.management", "fusion.runs.worker"])
def test_ctrl_c_while_the_command_is_still_loading_says_nothing(data_dir: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(STANDS_STILL.format(name=name, seconds=PATIENCE_S))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "fuse", "Why?"],
        cwd=ROOT,
        env=environment(data_dir, PYTHONPATH=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (130, "", "")


INTERRUPTED_WHERE_EXCEPTIONS_ARE_DROPPED = """
import runpy, sys
from django.core import management

class Interrupted:
    def __del__(self):
        raise KeyboardInterrupt

def execute(arguments):
    Interrupted()
    print("went on", flush=True)

management.execute_from_command_line = execute
sys.argv = ["manage.py", "fuse", "Why?"]
runpy.run_path("manage.py", run_name="__main__")
"""


def test_ctrl_c_is_obeyed_where_python_drops_every_exception(data_dir: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHERE_EXCEPTIONS_ARE_DROPPED],
        cwd=ROOT,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_simulated_run_says_so_beside_its_final_and_in_its_json(data_dir: Path) -> None:
    question = (ROOT / "fusion/providers/simulated/questions/logic-puzzle/question.md").read_text(encoding="utf-8")
    asked = manage(data_dir, "fuse", question, "--pool", "simulated-panel", "--mode", "best-of", "--quiet")
    assert "Ben" in asked.stdout and "simulat" not in asked.stdout
    assert "built-in simulation, not from a model" in asked.stderr
    printed = manage(data_dir, "fuse", "Why?", "--pool", "simulated-panel", "--mode", "best-of", "--json")
    assert json.loads(printed.stdout)["simulated"] is True


def test_progress_fits_the_terminal_that_it_is_drawn_on_while_the_final_goes_to_a_file(data_dir: Path) -> None:
    terminal, drawn_on = os.openpty()
    fcntl.ioctl(drawn_on, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 32, 0, 0))
    with subprocess.Popen(
        [sys.executable, "manage.py", "fuse", "Why?", "--pool", "simulated-panel", "--mode", "best-of"],
        cwd=ROOT,
        env=environment(data_dir),
        stdout=subprocess.PIPE,
        stderr=drawn_on,
        text=True,
    ) as process:
        os.close(drawn_on)
        drawn = b""
        with suppress(OSError):  # Linux says so when the other side has closed the terminal
            while piece := os.read(terminal, 65536):
                drawn += piece
        assert process.stdout is not None
        final = process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0 and "simulation" in final
    frames, _, after = drawn.decode().rpartition("\x1b[2K")
    lines = [line for frame in frames.split("\x1b[2K")[1:] for line in frame.splitlines()[:1]]
    assert any(line.startswith("✓ B Simulated · Terse: done") for line in lines)
    assert max(map(len, lines)) == 31
    assert "built-in simulation" in after


def test_a_database_that_is_held_is_told_from_one_that_is_missing() -> None:
    assert "held by another process" in _database_problem(OperationalError("database is locked"))
    assert "migrate" in _database_problem(OperationalError("no such table: fusion_run"))


def test_the_question_comes_from_standard_input(data_dir: Path, upstream: str) -> None:
    process = started(data_dir, upstream, "-", "--json", "--pool", "simulated-panel", "--mode", "best-of")
    out, err = process.communicate("Warum ist der Himmel blau?", timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert json.loads(out)["mode"] == "best-of"


def test_bytes_that_are_not_text_are_a_bad_argument(data_dir: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "manage.py", "fuse", "-"],
        cwd=ROOT,
        env=environment(data_dir),
        input=b"Why \xff?",
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert asked.returncode == 2
    assert b"UTF-8" in asked.stderr and b"Traceback" not in asked.stderr


def test_a_database_without_tables_is_said_in_a_sentence(tmp_path: Path) -> None:
    asked = manage(tmp_path, "fuse", "Why?")
    assert asked.returncode == 1
    assert "migrate" in asked.stderr and "Traceback" not in asked.stderr


def test_what_a_terminal_would_obey_is_shown_as_symbols() -> None:
    assert harmless("a\x1b]52;c;eA==\x07b\r\nc\td\x9b") == "a␛]52;c;eA==␇b\nc\td\ufffd"
