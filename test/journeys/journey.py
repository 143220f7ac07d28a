"""What the journeys share. A journey is a program on the stock client that ends
with status 0 when everything it asserts about the server holds:

    PREFECT_API_URL=http://127.0.0.1:4200/api python test/journeys/retries.py
"""

import os
import subprocess
import sys
import time
import uuid

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

RUN = uuid.uuid4().hex[:8]
PATIENCE = 60


def named(name):
    """A name that no other run of a journey has."""
    return f"{name}-{RUN}"


def client():
    return get_client(sync_client=True)


def eventually(what, ask):
    """Ask until the answer is true in the sense of Python, and return it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.2)


def flow_run_of(state):
    with client() as api:
        return api.read_flow_run(state.state_details.flow_run_id)


def flow_run_named(name):
    with client() as api:
        found = api.read_flow_runs(flow_run_filter=FlowRunFilter(name={"any_": [name]}))
    return found[0] if found else None


def task_runs_of(flow_run_id):
    with client() as api:
        return api.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run_id]}), limit=200)


def finished_task_runs(flow_run_id, count):
    """The task runs of a flow run once so many of them are final: the client
    reports them by events, a moment after the fact."""

    def ask():
        found = task_runs_of(flow_run_id)
        return found if sum(bool(t.state and t.state.is_final()) for t in found) >= count else None

    return eventually(f"{count} finished task runs", ask)


def prefect(*arguments):
    """What the prefect command prints."""
    env = os.environ | {"COLUMNS": "300", "NO_COLOR": "1", "PREFECT_CLI_COLORS": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, timeout=120, env=env
    )
    assert done.returncode == 0, f"prefect {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
