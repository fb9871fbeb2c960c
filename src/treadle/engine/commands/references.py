"""Ids in a body that refer to other objects: they must exist in the project (E-44, E-64, E-70)."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from treadle.contract.errors import InvalidRequest, NotFound
from treadle.contract.messages import CreateMessageRequest, ImageFileContentParam
from treadle.contract.tools import (
    CodeInterpreterFiles,
    FileSearchStores,
    NewToolResources,
    ToolResources,
    ToolResourcesParam,
)
from treadle.engine.engine import Engine


def require_model(engine: Engine, model: str) -> None:
    """Raises InvalidRequest for a model that is not served (E-44)."""
    if not engine.serves(model):
        raise InvalidRequest.unknown_model(model)


def require_message_files(message: CreateMessageRequest, at: str = "") -> None:
    """Raises InvalidRequest for files that are not there (E-70): in the content, then in the attachments."""
    for index, part in enumerate(() if isinstance(message.content, str) else message.content):
        if isinstance(part, ImageFileContentParam):
            _require_files([part.image_file.file_id], f"{at}content[{index}].image_file.file_id")
    for index, attachment in enumerate(message.attachments or ()):
        if attachment.file_id is not UNSET:
            _require_files([attachment.file_id], f"{at}attachments[{index}].file_id")


def resources(
    given: NewToolResources | ToolResourcesParam | UnsetType | None, at: str, *, before: ToolResources | None = None
) -> ToolResources:
    """`tool_resources` after a request: null clears them, a tool that is not mentioned keeps its own (A-6, T-6).

    Raises InvalidRequest for missing files (E-70), NotFound for a missing vector store (E-64).
    """
    old = before or ToolResources()
    if given is UNSET:
        return old
    if given is None:
        return ToolResources()
    interpreter, search = old.code_interpreter, old.file_search
    if given.code_interpreter is not UNSET:
        file_ids = [] if given.code_interpreter.file_ids is UNSET else given.code_interpreter.file_ids
        _require_files(file_ids, f"{at}.code_interpreter.file_ids")
        interpreter = CodeInterpreterFiles(file_ids=file_ids)
    if given.file_search is not UNSET:
        inline = getattr(given.file_search, "vector_stores", UNSET)
        if inline is not UNSET and inline:
            reason = "this server has no vector stores yet."
            raise InvalidRequest.invalid_value(f"{at}.file_search.vector_stores", reason)
        ids = given.file_search.vector_store_ids
        _require_vector_stores([] if ids is UNSET else ids)
        search = FileSearchStores(vector_store_ids=[] if ids is UNSET else ids)
    return ToolResources(code_interpreter=interpreter, file_search=search)


def _require_files(file_ids: Sequence[str], at: str) -> None:
    # Files are not served yet, so none exists.
    if file_ids:
        raise InvalidRequest.files_not_found(at, file_ids)


def _require_vector_stores(ids: Sequence[str]) -> None:
    # Vector stores are not served yet, so none exists.
    if ids:
        raise NotFound.of("vector_store", ids[0])
