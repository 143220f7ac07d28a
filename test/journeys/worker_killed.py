"""A worker that is killed leaves no run behind: one that runs already ends, and one
that nobody picked up is late until the next worker comes."""

import subprocess
import sys
import time
from pathlib import Path

from journey import client, eventually, named
from prefect import flow

HERE = Path(__file__).resolve()
FLOW, POOL = named("worked"), named("pool")


@flow
def worked(seconds: float = 0):
    time.sleep(seconds)
    return seconds


def begin(seconds):
    with client() as api:
        deployment = api.read_deployment_by_name(f"worked/{FLOW}")
        return api.create_flow_run_from_deployment(deployment.id, parameters={"seconds": seconds}).id


def reaches(run, *names):
    print("waiting for", run, "to be", *names, flush=True)

    def ask():
        with client() as api:
            state = api.read_flow_run(run).state
        assert state.name in names or not state.is_final(), state
        return state.name in names

    eventually(f"a run to be {' or '.join(names)}", ask)


def worker():
    return subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "prefect", "work-pool", "create", POOL, "--type", "process"], check=True, stdout=subprocess.DEVNULL)
    flow.from_source(source=str(HERE.parent), entrypoint=f"{HERE.name}:worked").deploy(
        name=FLOW, work_pool_name=POOL, build=False, push=False, print_next_steps=False
    )
    running = begin(15)
    first = worker()
    reaches(running, "Running")
    first.kill()
    first.wait()
    left = begin(0)
    reaches(left, "Late")
    reaches(running, "Completed", "Crashed")  # its process may notice that the worker is gone
    second = worker()
    try:
        reaches(left, "Completed")
    finally:
        second.kill()
        second.wait()
