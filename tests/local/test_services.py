"""Services at one terminal: who ended first, and that nobody stays behind.

The services run in a process of their own, since they take over its signals.
"""

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SLEEPER = "import os, signal; print('here', os.getpid(), flush=True); signal.pause()"
#: A server with a child of its own, both of which ignore polite requests; the child says its number.
STUBBORN = textwrap.dedent("""
    import signal, subprocess, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
    print('child', child.pid, flush=True)
    signal.pause()
""")
PROGRAM = textwrap.dedent("""
    import sys
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.services import Service, run_services

    def meanwhile(stop):
        print('started', flush=True)
        {meanwhile}

    services = [Service(name, (sys.executable, '-c', code), 1, drop=('secret',)) for name, code in {services!r}]
    try:
        run_services(services, meanwhile, {patience})
    except UserError as error:
        print(f'error: {{error}}', flush=True)
        sys.exit(1)
    print('over', flush=True)
""")


def program(services: list[tuple[str, str]], meanwhile: str = "pass", patience: float = 20) -> "subprocess.Popen[str]":
    code = PROGRAM.format(services=services, meanwhile=meanwhile, patience=patience)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)


def read_until(process: "subprocess.Popen[str]", word: str, times: int = 1) -> list[str]:
    """Lines up to the one that holds the word for the last time wanted."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        times -= word in line
        if times == 0:
            return lines
    raise AssertionError(f"{word!r} was not said: {lines}")


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_gone(*numbers: int) -> None:
    """Waits for processes that are not ours to wait for; the test's own time limit ends a wait in vain."""
    while any(map(alive, numbers)):
        select.select([], [], [], 0.1)


def helper_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def pids(lines: list[str], word: str) -> list[int]:
    return [int(line.rsplit(" ", 1)[1]) for line in lines if f"| {word} " in line]


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_ends_all(number: signal.Signals) -> None:
    process = program([("one", SLEEPER), ("two", SLEEPER)])
    lines = read_until(process, "| here", times=2)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest.splitlines()[-1] == "over"
    assert len(pids(lines, "here")) == 2
    assert not any(alive(pid) for pid in pids(lines, "here"))


@linux
def test_a_request_to_end_before_all_have_started_is_not_forgotten() -> None:
    process = program([("one", SLEEPER), ("two", SLEEPER)])
    read_until(process, "started")  # said before the processes have told their numbers
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert not any(alive(pid) for pid in pids(rest.splitlines(), "here"))


@linux
@pytest.mark.timeout(60)
@pytest.mark.parametrize("whole_group", [False, True], ids=["alone", "with its helpers"])
def test_a_killed_manager_leaves_no_server_behind(whole_group: bool) -> None:
    process = program([("one", SLEEPER), ("two", SLEEPER)])
    lines = read_until(process, "| here", times=2)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    until_gone(*pids(lines, "here"))


@linux
@pytest.mark.timeout(60)
def test_a_killed_helper_ends_all_and_its_service_is_named() -> None:
    process = program([("one", SLEEPER), ("two", SLEEPER)])
    lines = read_until(process, "| here", times=2)
    both = {line.split("|")[0].split()[1]: pid for line in lines for pid in pids([line], "here")}
    os.kill(helper_of(both["two"]), signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert rest.splitlines()[-1].startswith("error: two was killed by SIGKILL")
    assert process.returncode == 1
    until_gone(*both.values())


@linux
@pytest.mark.timeout(60)
def test_output_that_nobody_reads_any_more_ends_all() -> None:
    chatty = "import os, time\nprint('here', os.getpid(), flush=True)\nwhile True: print('x' * 900, flush=True)"
    process = program([("one", SLEEPER), ("two", chatty)])
    lines = read_until(process, "| here", times=2)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    until_gone(*pids(lines, "here"))


@linux
@pytest.mark.timeout(60)
def test_a_server_that_will_not_end_is_killed_even_when_it_is_the_only_one() -> None:
    process = program([("tree", STUBBORN)], patience=0.5)
    lines = read_until(process, "| child")
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest.splitlines()[-1]) == (0, "over")
    until_gone(*pids(lines, "child"))


def test_an_error_that_comes_of_ending_is_no_error() -> None:
    waits = "stop.wait(); raise UserError('the server went away')"
    process = program([("one", SLEEPER)], waits)
    read_until(process, "| here")
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest.splitlines()[-1]) == (0, "over")


def test_the_one_that_ends_is_named() -> None:
    process = program([("one", SLEEPER), ("two", "print('I give up'); raise SystemExit(3)")])
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "| I give up" in said
    assert said.splitlines()[-1] == (
        "error: two ended by itself with code 3; its last lines above say why. The others were stopped"
    )


@linux
def test_when_one_dies_the_others_are_stopped() -> None:
    process = program([("one", SLEEPER), ("two", SLEEPER)])
    lines = read_until(process, "| here", times=2)
    both = {line.split("|")[0].split()[1]: pid for line in lines for pid in pids([line], "here")}
    os.kill(both["two"], signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert rest.splitlines()[-1].startswith("error: two was killed by SIGKILL")
    assert not alive(both["one"])


@linux
def test_a_server_that_is_killed_takes_its_own_children_along() -> None:
    process = program([("one", SLEEPER), ("tree", STUBBORN)])
    lines = read_until(process, "| child")
    (child,) = pids(lines, "child")
    parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert rest.splitlines()[-1].startswith("error: tree was killed by SIGKILL")
    assert process.returncode == 1
    assert not alive(child)


def test_an_error_in_between_ends_all_and_is_the_one_reported() -> None:
    process = program([("one", SLEEPER)], "raise UserError('the bucket cannot be made')")
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (1, "error: the bucket cannot be made")


def test_lines_begin_with_the_name_and_some_are_kept_back() -> None:
    code = "print('hello'); print(); print('a secret'); print('bye')"
    said, _ = program([("talker", code)]).communicate(timeout=60)
    assert [line.partition(" ")[2] for line in said.splitlines() if "|" in line] == ["talker | hello", "talker | bye"]
