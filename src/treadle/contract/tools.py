"""Tools an assistant may call, and the files they work on. Contract: docs/behaviour.md, rules A-2 to A-6 and R-27."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from treadle.contract.chunking import ChunkingStrategyParam, check_chunking
from treadle.contract.errors import InvalidRequest
from treadle.contract.fields import FileId, FunctionName, JsonObject, Metadata, VectorStoreId

MAX_TOOLS: Final = 128  # for assistants and for runs alike (E-50)
Ranker: TypeAlias = Literal["auto", "default_2024_08_21"]


class CodeInterpreterTool(Struct, kw_only=True, tag_field="type", tag="code_interpreter"):
    """Runs Python in a sandbox."""


class RankingOptions(Struct, kw_only=True):
    """Results with a score below `score_threshold` (0 to 1) are dropped (FS-3)."""

    ranker: Ranker = "auto"
    score_threshold: Annotated[float, Meta(ge=0, le=1)]


class FileSearchOptions(Struct, kw_only=True):
    """Without options the ranking is spelt out as the vendor did (A-2)."""

    max_num_results: Annotated[int, Meta(ge=1, le=50)] | UnsetType = UNSET
    ranking_options: RankingOptions = field(
        default_factory=lambda: RankingOptions(ranker="default_2024_08_21", score_threshold=0.0)
    )


class FileSearchTool(Struct, kw_only=True, tag_field="type", tag="file_search"):
    """Searches the vector stores of the assistant and of the thread."""

    file_search: FileSearchOptions = field(default_factory=FileSearchOptions)


class FunctionDefinition(Struct, kw_only=True):
    """A function the client carries out. No `parameters` means that it takes none (A-3)."""

    description: str | UnsetType = UNSET
    name: FunctionName
    parameters: JsonObject | UnsetType = UNSET
    strict: bool | None = False


class FunctionTool(Struct, kw_only=True, tag_field="type", tag="function"):
    """Asks the client to carry out a function; the run waits for the result."""

    function: FunctionDefinition


Tool: TypeAlias = CodeInterpreterTool | FileSearchTool | FunctionTool
Tools: TypeAlias = Annotated[list[Tool], Meta(max_length=MAX_TOOLS)]


class ToolChoiceFunction(Struct, kw_only=True):
    """The function that has to be called."""

    name: str


class NamedToolChoice(Struct, kw_only=True):
    """Forces one tool, on the first model turn of the run (R-27)."""

    type: Literal["function", "code_interpreter", "file_search"]
    function: ToolChoiceFunction | UnsetType = UNSET


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedToolChoice


class CodeInterpreterFiles(Struct, kw_only=True):
    """Files mounted in the sandbox."""

    file_ids: list[str] = []


class FileSearchStores(Struct, kw_only=True):
    """Vector stores that file_search looks into."""

    vector_store_ids: list[str] = []


class ToolResources(Struct, kw_only=True):
    """What an assistant or thread lends to its tools; a tool without resources is left out, so none is `{}` (T-2)."""

    code_interpreter: CodeInterpreterFiles | UnsetType = UNSET
    file_search: FileSearchStores | UnsetType = UNSET


class CodeInterpreterFilesParam(Struct, kw_only=True):
    """At most 20 files."""

    file_ids: Annotated[list[FileId], Meta(max_length=20)] | UnsetType = UNSET


class FileSearchStoresParam(Struct, kw_only=True):
    """At most one vector store."""

    vector_store_ids: Annotated[list[VectorStoreId], Meta(max_length=1)] | UnsetType = UNSET


class ToolResourcesParam(Struct, kw_only=True):
    """Lists given here replace the old ones whole; a tool that is not mentioned keeps its own (A-6)."""

    code_interpreter: CodeInterpreterFilesParam | UnsetType = UNSET
    file_search: FileSearchStoresParam | UnsetType = UNSET


class InlineVectorStore(Struct, kw_only=True):
    """A vector store to be made together with the assistant or thread (A-4)."""

    file_ids: Annotated[list[FileId], Meta(max_length=100_000_000)] | UnsetType = UNSET
    chunking_strategy: ChunkingStrategyParam | UnsetType = UNSET
    metadata: Metadata | None = None


class NewFileSearchStores(FileSearchStoresParam, kw_only=True):
    """Either an existing vector store or one to be made (A-4)."""

    vector_stores: Annotated[list[InlineVectorStore], Meta(max_length=1)] | UnsetType = UNSET


class NewToolResources(Struct, kw_only=True):
    """What a new assistant or thread lends to its tools."""

    code_interpreter: CodeInterpreterFilesParam | UnsetType = UNSET
    file_search: NewFileSearchStores | UnsetType = UNSET

    def check(self, at: str) -> None:
        """A-4: a vector store is named or made, not both; its chunks overlap by half at most."""
        search = self.file_search
        if search is UNSET or search.vector_stores is UNSET:
            return
        if search.vector_store_ids is not UNSET:
            reason = "'vector_store_ids' and 'vector_stores' cannot be given together."
            raise InvalidRequest.invalid_value(f"{at}.file_search.vector_stores", reason)
        for index, store in enumerate(search.vector_stores):
            check_chunking(store.chunking_strategy, f"{at}.file_search.vector_stores[{index}].chunking_strategy")


class AttachmentFileSearch(Struct, kw_only=True, tag_field="type", tag="file_search"):
    """Adds the attached file to the thread's vector store (M-6)."""


AttachmentTool: TypeAlias = CodeInterpreterTool | AttachmentFileSearch


def check_tools(tools: list[Tool], at: str) -> None:
    """A-3: a built-in tool or a function name that occurs twice is refused."""
    names = [tool.function.name if isinstance(tool, FunctionTool) else type(tool) for tool in tools]
    if len(set(names)) == len(names):
        return
    index, name = next((index, name) for index, name in enumerate(names) if name in names[:index])
    if isinstance(name, str):
        reason = f"the function '{name}' is defined more than once."
        raise InvalidRequest.invalid_value(f"{at}[{index}].function.name", reason)
    reason = f"the tool '{name.__struct_config__.tag}' is given more than once."
    raise InvalidRequest.invalid_value(f"{at}[{index}]", reason)


def check_tool_choice(choice: ToolChoice | None, at: str) -> None:
    """R-27: a function is chosen by its name. Whether the run has that tool is only known with its assistant."""
    if isinstance(choice, NamedToolChoice) and choice.type == "function" and choice.function is UNSET:
        raise InvalidRequest.missing_parameter(f"{at}.function")


def normalised(tools: list[Tool]) -> list[Tool]:
    """The tools as answers show them (A-2): ranker `auto` and a null `strict` resolved, the rest is in the types."""
    return [_normalised(tool) for tool in tools]


def _normalised(tool: Tool) -> Tool:
    match tool:
        case FileSearchTool(file_search=options) if options.ranking_options.ranker == "auto":
            ranking = replace(options.ranking_options, ranker="default_2024_08_21")
            return replace(tool, file_search=replace(options, ranking_options=ranking))
        case FunctionTool(function=function) if function.strict is None:
            return replace(tool, function=replace(function, strict=False))
        case _:
            return tool
