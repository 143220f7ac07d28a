"""A flow calls another; the server knows the child's parent, and draws both."""

from journey import client, flow_run_of, named
from prefect import flow, task
from prefect.client.schemas.filters import FlowRunFilter


@task
def add(a, b):
    return a + b


@flow(name=named("inner"))
def inner(n):
    return add(n, 1)


@flow(name=named("outer"))
def outer():
    return inner(1) + inner(2)


state = outer(return_state=True)
assert state.result() == 5
parent = flow_run_of(state)
assert parent.parent_task_run_id is None
with client() as api:
    children = api.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [parent.id]}))
    graph = api._client.get(f"/flow_runs/{parent.id}/graph-v2").json()
assert len(children) == 2 and all(c.state.is_completed() and c.parent_task_run_id for c in children)
assert sorted(c.parameters["n"] for c in children) == [1, 2]
assert [node["kind"] for _, node in graph["nodes"]].count("flow-run") == 2, graph
