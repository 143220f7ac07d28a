"""A task that is delayed runs on a task worker: one that waited for the worker,
and those that came while it was there."""

import subprocess
import sys

from journey import client, eventually
from prefect import task
from prefect.task_worker import serve


@task
def double(n):
    return 2 * n


def finished(future):
    def ask():
        with client() as api:
            run = api.read_task_run(future.task_run_id)
        return run if run.state and run.state.is_final() else None

    return eventually("the task worker's run", ask)


def workers():
    with client() as api:
        return api._client.post("/task_workers/filter", json={}).json()


if sys.argv[1:] == ["work"]:
    serve(double, limit=2)
else:
    futures = [double.delay(n) for n in range(3)]
    worker = subprocess.Popen([sys.executable, __file__, "work"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually("a task worker", workers)
        futures += [double.delay(n) for n in range(3, 20)]
        for future in futures:
            assert finished(future).state_name == "Completed"
    finally:
        worker.terminate()
        worker.wait()
    eventually("the task worker to leave", lambda: not workers())
