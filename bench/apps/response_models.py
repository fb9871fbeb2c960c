"""listRunSteps the way FastAPI's documentation does it: dependencies, and a response model that checks what goes out.

It reads the same rows through the same connection, with the same key check and cursor, and answers the same fields.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import apsw
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel

from bench.apps.serving import serve
from treadle.store.sqlite import connect

_PAGE = (
    "SELECT doc FROM run_steps WHERE thread_id = ? AND run_id = ? AND EXISTS "
    "(SELECT 1 FROM runs WHERE runs.thread_id = ? AND runs.id = ? AND runs.project_id = ?) "
    "{after} ORDER BY seq DESC LIMIT ?"
)
_AFTER = "AND seq < (SELECT seq FROM run_steps WHERE thread_id = ? AND run_id = ? AND id = ?)"


class MessageCreation(BaseModel):
    message_id: str


class MessageCreationDetails(BaseModel):
    type: Literal["message_creation"]
    message_creation: MessageCreation


class Function(BaseModel):
    name: str
    arguments: str
    output: str | None


class ToolCall(BaseModel):
    id: str
    type: Literal["function"]
    function: Function


class ToolCallsDetails(BaseModel):
    type: Literal["tool_calls"]
    tool_calls: list[ToolCall]


class Usage(BaseModel):
    completion_tokens: int
    prompt_tokens: int
    total_tokens: int


class RunStep(BaseModel):
    id: str
    object: Literal["thread.run.step"]
    created_at: int
    assistant_id: str
    thread_id: str
    run_id: str
    type: Literal["message_creation", "tool_calls"]
    status: Literal["in_progress", "cancelled", "failed", "completed", "expired"]
    step_details: MessageCreationDetails | ToolCallsDetails
    last_error: dict[str, str] | None
    expires_at: int | None
    expired_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    metadata: dict[str, str]
    usage: Usage | None


class RunStepList(BaseModel):
    object: Literal["list"] = "list"
    data: list[RunStep]
    first_id: str | None
    last_id: str | None
    has_more: bool


def application(database: apsw.Connection) -> FastAPI:
    app = FastAPI()

    async def project(authorization: Annotated[str, Header()]) -> str:
        digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest()
        row = database.execute(
            "SELECT project_id FROM keys WHERE hash = ? AND revoked_at IS NULL", (digest,)
        ).fetchone()
        if row is None:
            raise HTTPException(401)
        project_id: str = row[0]
        return project_id

    @app.get("/v1/threads/{thread_id}/runs/{run_id}/steps", response_model=RunStepList)
    async def list_run_steps(
        thread_id: str,
        run_id: str,
        project_id: Annotated[str, Depends(project)],
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: str | None = None,
    ) -> Any:
        cursor = (thread_id, run_id, after) if after else ()
        rows: Any = database.execute(
            _PAGE.format(after=_AFTER if after else ""),
            (thread_id, run_id, thread_id, run_id, project_id, *cursor, limit + 1),
        ).fetchall()
        if not rows:
            raise HTTPException(404)
        data = [json.loads(doc) for (doc,) in rows[:limit]]
        return {"data": data, "first_id": data[0]["id"], "last_id": data[-1]["id"], "has_more": len(rows) > limit}

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    options = parser.parse_args()
    serve(application(connect(options.data_dir / "treadle.db")), options.port)
