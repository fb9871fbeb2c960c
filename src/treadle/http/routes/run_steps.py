"""Run steps over HTTP. Contract: docs/behaviour.md, section 6 and rules P-1 to P-13."""

from treadle import store
from treadle.contract.errors import NotFound
from treadle.contract.pages import IncludeQuery, RunStepQuery
from treadle.engine import expiry
from treadle.http.context import Context


async def list_run_steps(ctx: Context, thread_id: str, run_id: str, query: RunStepQuery) -> bytes:
    """operationId listRunSteps. NotFound when the thread, or the run in it, is not this project's."""
    database, now = ctx.engine.database, ctx.engine.now()
    page = await store.run_steps.find_page(database, ctx.project_id, thread_id, run_id, query, now=now)
    if page is None:
        await _settle(ctx, thread_id, run_id)
        page = await store.run_steps.find_page(database, ctx.project_id, thread_id, run_id, query, now=now)
    return store.run_steps.empty_page(query) if page is None else page


async def get_run_step(ctx: Context, thread_id: str, run_id: str, step_id: str, query: IncludeQuery) -> bytes:
    """operationId getRunStep. NotFound, outermost first: the thread, the run, the step."""
    database, now = ctx.engine.database, ctx.engine.now()
    step = await store.run_steps.get_document(database, ctx.project_id, thread_id, run_id, step_id, now=now)
    if step is None:
        await _settle(ctx, thread_id, run_id)
        step = await store.run_steps.get_document(database, ctx.project_id, thread_id, run_id, step_id, now=now)
    if step is None:
        raise NotFound.of("run_step", step_id)
    return step


async def _settle(ctx: Context, thread_id: str, run_id: str) -> None:
    """Nothing was found: say what is missing, or expire the run if it is overdue (R-6)."""
    row = await store.runs.get(ctx.engine.database, ctx.project_id, thread_id, run_id)
    await expiry.settle(ctx.engine, row)
