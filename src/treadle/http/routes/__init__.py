"""The handlers, one module per resource, and the table that binds them to their operations.

What is not bound yet answers 404, as any unknown URL does.
"""

from treadle.contract.additions import ADDITIONS
from treadle.contract.operations import OPERATIONS
from treadle.http.bind import Bound, Handler, bound
from treadle.http.routes import assistants, messages, models, passthrough, run_steps, runs, threads

_HANDLERS: dict[str, Handler] = {
    "listAssistants": assistants.list_assistants,
    "createAssistant": assistants.create_assistant,
    "getAssistant": assistants.get_assistant,
    "modifyAssistant": assistants.modify_assistant,
    "deleteAssistant": assistants.delete_assistant,
    "createThread": threads.create_thread,
    "getThread": threads.get_thread,
    "modifyThread": threads.modify_thread,
    "deleteThread": threads.delete_thread,
    "listMessages": messages.list_messages,
    "createMessage": messages.create_message,
    "getMessage": messages.get_message,
    "modifyMessage": messages.modify_message,
    "deleteMessage": messages.delete_message,
    "createThreadAndRun": runs.create_thread_and_run,
    "listRuns": runs.list_runs,
    "createRun": runs.create_run,
    "getRun": runs.get_run,
    "modifyRun": runs.modify_run,
    "cancelRun": runs.cancel_run,
    "submitToolOuputsToRun": runs.submit_tool_outputs_to_run,
    "streamRun": runs.stream_run,
    "listRunSteps": run_steps.list_run_steps,
    "getRunStep": run_steps.get_run_step,
    "listModels": models.list_models,
    "retrieveModel": models.retrieve_model,
    "deleteModel": models.delete_model,
    "createChatCompletion": passthrough.create_chat_completion,
    "createEmbedding": passthrough.create_embedding,
}
# Their bodies go upstream as they are (MD-4).
_RAW_BODY = frozenset({"createChatCompletion", "createEmbedding"})

BINDINGS: tuple[Bound, ...] = tuple(
    bound({**OPERATIONS, **ADDITIONS}[id], handler, raw_body=id in _RAW_BODY) for id, handler in _HANDLERS.items()
)
