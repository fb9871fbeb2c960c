"""Chat completions, passed through to a model server unread (MD-4); these types serve the document and the client.

Everything optional is UNSET, so that a request says no more than its author did.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.fields import JsonObject, Metadata, ReasoningEffort, Temperature, TopP, UnixSeconds
from treadle.contract.formats import ResponseFormatJsonObject, ResponseFormatJsonSchema, ResponseFormatText
from treadle.contract.tools import FunctionTool

Uri: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
TopLogprobs: TypeAlias = Annotated[int, Meta(ge=0, le=20)]
Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]
# The published bounds are those of a signed 64-bit integer, rounded as JavaScript does.
Seed: TypeAlias = Annotated[
    int, Meta(extra_json_schema={"minimum": -9223372036854776000, "maximum": 9223372036854776000})
]


class CacheBreakpoint(Struct, kw_only=True):
    """The prompt up to here may be cached."""

    mode: Literal["explicit"]


class ChatTextPart(Struct, kw_only=True, tag_field="type", tag="text"):
    """Text."""

    text: str
    prompt_cache_breakpoint: CacheBreakpoint | UnsetType = UNSET


class ChatRefusalPart(Struct, kw_only=True, tag_field="type", tag="refusal"):
    """An earlier refusal of the model."""

    refusal: str


class ChatImageUrl(Struct, kw_only=True):
    """An image, by URL or inline as a data URL."""

    url: Uri
    detail: Literal["auto", "low", "high"] = "auto"


class ChatImagePart(Struct, kw_only=True, tag_field="type", tag="image_url"):
    """An image."""

    image_url: ChatImageUrl
    prompt_cache_breakpoint: CacheBreakpoint | UnsetType = UNSET


class ChatInputAudio(Struct, kw_only=True):
    """Sound in base64."""

    data: str
    format: Literal["wav", "mp3"]


class ChatAudioPart(Struct, kw_only=True, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: ChatInputAudio
    prompt_cache_breakpoint: CacheBreakpoint | UnsetType = UNSET


class ChatInputFile(Struct, kw_only=True):
    """A file, inline or by id."""

    filename: str | UnsetType = UNSET
    file_data: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET


class ChatFilePart(Struct, kw_only=True, tag_field="type", tag="file"):
    """A file."""

    file: ChatInputFile
    prompt_cache_breakpoint: CacheBreakpoint | UnsetType = UNSET


ChatText: TypeAlias = str | Annotated[list[ChatTextPart], Meta(min_length=1)]


class ChatFunctionCall(Struct, kw_only=True):
    """`arguments` is the model's own string."""

    name: str
    arguments: str


class ChatFunctionToolCall(Struct, kw_only=True, tag_field="type", tag="function"):
    """A call of a function."""

    id: str
    function: ChatFunctionCall


class ChatCustomCall(Struct, kw_only=True):
    """`input` is free text."""

    name: str
    input: str


class ChatCustomToolCall(Struct, kw_only=True, tag_field="type", tag="custom"):
    """A call of a custom tool."""

    id: str
    custom: ChatCustomCall


ChatToolCall: TypeAlias = ChatFunctionToolCall | ChatCustomToolCall


class ChatAudioReference(Struct, kw_only=True):
    """Sound that the model made earlier."""

    id: str


class ChatDeveloperMessage(Struct, kw_only=True, tag_field="role", tag="developer"):
    """Instructions, in newer models."""

    content: ChatText
    name: str | UnsetType = UNSET


class ChatSystemMessage(Struct, kw_only=True, tag_field="role", tag="system"):
    """Instructions."""

    content: ChatText
    name: str | UnsetType = UNSET


class ChatUserMessage(Struct, kw_only=True, tag_field="role", tag="user"):
    """What the user said or showed."""

    content: str | Annotated[list[ChatTextPart | ChatImagePart | ChatAudioPart | ChatFilePart], Meta(min_length=1)]
    name: str | UnsetType = UNSET


class ChatAssistantMessage(Struct, kw_only=True, tag_field="role", tag="assistant"):
    """What the model answered."""

    content: str | Annotated[list[ChatTextPart | ChatRefusalPart], Meta(min_length=1)] | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    audio: ChatAudioReference | UnsetType | None = UNSET
    tool_calls: list[ChatToolCall] | UnsetType = UNSET
    function_call: ChatFunctionCall | UnsetType | None = UNSET


class ChatToolMessage(Struct, kw_only=True, tag_field="role", tag="tool"):
    """The result of a tool call."""

    content: ChatText
    tool_call_id: str


class ChatFunctionMessage(Struct, kw_only=True, tag_field="role", tag="function"):
    """The result of a function call, in the older form."""

    content: str | None
    name: str


ChatMessage: TypeAlias = (
    ChatDeveloperMessage
    | ChatSystemMessage
    | ChatUserMessage
    | ChatAssistantMessage
    | ChatToolMessage
    | ChatFunctionMessage
)


class PlainTextFormat(Struct, kw_only=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class Grammar(Struct, kw_only=True):
    """A grammar for the input of a custom tool."""

    definition: str
    syntax: Literal["lark", "regex"]


class GrammarFormat(Struct, kw_only=True, tag_field="type", tag="grammar", forbid_unknown_fields=True):
    """Text that follows a grammar."""

    grammar: Grammar


class CustomToolDefinition(Struct, kw_only=True):
    """A tool whose input is text."""

    name: str
    description: str | UnsetType = UNSET
    format: PlainTextFormat | GrammarFormat | UnsetType = UNSET


class ChatCustomTool(Struct, kw_only=True, tag_field="type", tag="custom"):
    """Offers a custom tool."""

    custom: CustomToolDefinition


class ChatFunction(Struct, kw_only=True):
    """Offers a function, in the older form."""

    description: str | UnsetType = UNSET
    name: str
    parameters: JsonObject | UnsetType = UNSET


class ChosenTool(Struct, kw_only=True):
    """The tool that has to be called."""

    name: str


class ChatNamedFunctionChoice(Struct, kw_only=True, tag_field="type", tag="function"):
    """Forces a function."""

    function: ChosenTool


class ChatNamedCustomChoice(Struct, kw_only=True, tag_field="type", tag="custom"):
    """Forces a custom tool."""

    custom: ChosenTool


class AllowedTools(Struct, kw_only=True):
    """The tools that may be called, or of which one must be."""

    mode: Literal["auto", "required"]
    tools: list[JsonObject]


class ChatAllowedToolsChoice(Struct, kw_only=True, tag_field="type", tag="allowed_tools"):
    """Restricts the choice."""

    allowed_tools: AllowedTools


ChatToolChoice: TypeAlias = (
    Literal["none", "auto", "required"] | ChatAllowedToolsChoice | ChatNamedFunctionChoice | ChatNamedCustomChoice
)


class CacheOptions(Struct, kw_only=True):
    """How the prompt may be cached."""

    ttl: Literal["30m"] | UnsetType = UNSET
    mode: Literal["implicit", "explicit"] | UnsetType = UNSET


class UserPlace(Struct, kw_only=True):
    """Where the user is, more or less."""

    country: str | UnsetType = UNSET
    region: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET


class UserLocation(Struct, kw_only=True):
    """Where the user is."""

    type: Literal["approximate"]
    approximate: UserPlace


class WebSearchOptions(Struct, kw_only=True):
    """For models that search the web."""

    user_location: UserLocation | UnsetType | None = UNSET
    search_context_size: Literal["low", "medium", "high"] | UnsetType = UNSET


class CustomVoice(Struct, kw_only=True, forbid_unknown_fields=True):
    """A voice of one's own."""

    id: str


class ChatAudioOptions(Struct, kw_only=True):
    """How spoken answers sound."""

    voice: str | CustomVoice
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class ModerationConfig(Struct, kw_only=True):
    """Whether to score or to block."""

    mode: Literal["score", "block"]


class ModerationPolicy(Struct, kw_only=True):
    """What happens to the request and to the answer."""

    input: ModerationConfig | UnsetType | None = UNSET
    output: ModerationConfig | UnsetType | None = UNSET


class ModerationOptions(Struct, kw_only=True):
    """Moderation alongside the completion."""

    model: str
    policy: ModerationPolicy | UnsetType | None = UNSET


class Prediction(Struct, kw_only=True):
    """What most of the answer will be."""

    type: Literal["content"]
    content: ChatText


class StreamOptions(Struct, kw_only=True):
    """What a stream carries in addition."""

    include_usage: bool | UnsetType = UNSET
    include_obfuscation: bool | UnsetType = UNSET


class CreateChatCompletionRequest(Struct, kw_only=True):
    """A conversation for a model to continue."""

    metadata: Metadata | UnsetType | None = UNSET
    top_logprobs: TopLogprobs | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    safety_identifier: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    prompt_cache_key: str | UnsetType | None = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | UnsetType | None = UNSET
    prompt_cache_options: CacheOptions | UnsetType = UNSET
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    model: str
    service_tier: ServiceTier | UnsetType | None = UNSET
    modalities: list[Literal["text", "audio"]] | UnsetType | None = UNSET
    verbosity: Literal["low", "medium", "high"] | UnsetType | None = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET
    max_completion_tokens: int | UnsetType | None = UNSET
    frequency_penalty: Penalty | UnsetType | None = UNSET
    presence_penalty: Penalty | UnsetType | None = UNSET
    web_search_options: WebSearchOptions | UnsetType = UNSET
    response_format: ResponseFormatText | ResponseFormatJsonSchema | ResponseFormatJsonObject | UnsetType = UNSET
    audio: ChatAudioOptions | UnsetType | None = UNSET
    store: bool | UnsetType | None = UNSET
    moderation: ModerationOptions | UnsetType | None = UNSET
    stream: bool | UnsetType | None = UNSET
    stop: str | Annotated[list[str], Meta(min_length=1, max_length=4)] | UnsetType | None = UNSET
    logit_bias: dict[str, int] | UnsetType | None = UNSET
    logprobs: bool | UnsetType | None = UNSET
    max_tokens: int | UnsetType | None = UNSET
    n: Annotated[int, Meta(ge=1, le=128)] | UnsetType | None = UNSET
    prediction: Prediction | UnsetType | None = UNSET
    seed: Seed | UnsetType | None = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    tools: list[FunctionTool | ChatCustomTool] | UnsetType = UNSET
    tool_choice: ChatToolChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    function_call: Literal["none", "auto"] | ChosenTool | UnsetType = UNSET
    functions: Annotated[list[ChatFunction], Meta(min_length=1, max_length=128)] | UnsetType = UNSET


class UrlCitation(Struct, kw_only=True):
    """A web page, and the stretch of the answer that rests on it."""

    end_index: int
    start_index: int
    url: Uri
    title: str


class UrlCitationAnnotation(Struct, kw_only=True):
    """A citation in an answer."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class ChatResponseAudio(Struct, kw_only=True):
    """A spoken answer in base64, with its text."""

    id: str
    expires_at: UnixSeconds
    data: str
    transcript: str


class ChatResponseMessage(Struct, kw_only=True):
    """What the model answered."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ChatToolCall] | UnsetType = UNSET
    annotations: list[UrlCitationAnnotation] | UnsetType = UNSET
    role: Literal["assistant"] = "assistant"
    function_call: ChatFunctionCall | UnsetType = UNSET
    audio: ChatResponseAudio | UnsetType | None = UNSET


class TopLogprob(Struct, kw_only=True):
    """A token that was likely here."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(Struct, kw_only=True):
    """A token of the answer and how likely it was."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Struct, kw_only=True):
    """How likely the tokens of the answer were."""

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class ChatChoice(Struct, kw_only=True):
    """One of the answers."""

    finish_reason: FinishReason
    index: int
    message: ChatResponseMessage
    logprobs: ChatLogprobs | None = None


class CompletionTokens(Struct, kw_only=True):
    """What the completion tokens were spent on."""

    accepted_prediction_tokens: int | UnsetType = UNSET
    audio_tokens: int | UnsetType = UNSET
    reasoning_tokens: int | UnsetType = UNSET
    text_tokens: int | UnsetType = UNSET
    rejected_prediction_tokens: int | UnsetType = UNSET


class PromptTokens(Struct, kw_only=True):
    """What the prompt tokens were."""

    audio_tokens: int | UnsetType = UNSET
    cached_tokens: int | UnsetType = UNSET
    text_tokens: int | UnsetType = UNSET
    image_tokens: int | UnsetType = UNSET
    cache_write_tokens: int | UnsetType = UNSET


class ChatUsage(Struct, kw_only=True):
    """Tokens of one call."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokens | UnsetType = UNSET
    prompt_tokens_details: PromptTokens | UnsetType = UNSET


class ModerationResult(Struct, kw_only=True):
    """The judgement on one text or image."""

    type: Literal["moderation_result"] = "moderation_result"
    model: str
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]


class ModerationResults(Struct, kw_only=True, tag_field="type", tag="moderation_results"):
    """All judgements."""

    model: str
    results: list[ModerationResult]


class ModerationError(Struct, kw_only=True, tag_field="type", tag="error"):
    """Moderation did not work."""

    code: str
    message: str


class ChatModeration(Struct, kw_only=True):
    """Moderation of the request and of the answer."""

    input: ModerationResults | ModerationError
    output: ModerationResults | ModerationError


class ChatCompletion(Struct, kw_only=True):
    """The answer of a model."""

    id: str
    choices: list[ChatChoice]
    created: UnixSeconds
    model: str
    metadata: dict[str, str] | UnsetType | None = UNSET
    service_tier: ServiceTier | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType = UNSET
    object: Literal["chat.completion"] = "chat.completion"
    usage: ChatUsage | UnsetType = UNSET
    moderation: ChatModeration | UnsetType | None = UNSET


class ChatFunctionCallFragment(Struct, kw_only=True):
    """A piece of a function call."""

    arguments: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class ChatToolCallFragment(Struct, kw_only=True):
    """A piece of the tool call number `index`."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: ChatFunctionCallFragment | UnsetType = UNSET


class ChatAudioFragment(Struct, kw_only=True):
    """A piece of a spoken answer; the last one has `expires_at` only. Known to clients, not to the published schema."""

    id: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    expires_at: UnixSeconds | UnsetType = UNSET
    transcript: str | UnsetType = UNSET


class ChatDelta(Struct, kw_only=True):
    """What an answer gains."""

    audio: ChatAudioFragment | UnsetType | None = UNSET
    content: str | UnsetType | None = UNSET
    function_call: ChatFunctionCallFragment | UnsetType = UNSET
    tool_calls: list[ChatToolCallFragment] | UnsetType = UNSET
    role: Literal["developer", "system", "user", "assistant", "tool"] | UnsetType = UNSET
    refusal: str | UnsetType | None = UNSET


class ChatChunkChoice(Struct, kw_only=True):
    """A piece of one of the answers."""

    delta: ChatDelta
    logprobs: ChatLogprobs | UnsetType | None = UNSET
    finish_reason: FinishReason | None = None
    index: int


class ChatCompletionChunk(Struct, kw_only=True):
    """One `data:` line of a streamed answer; the last line is [DONE]."""

    id: str
    choices: list[ChatChunkChoice]
    created: UnixSeconds
    model: str
    obfuscation: str | UnsetType = UNSET
    service_tier: ServiceTier | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType = UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: ChatUsage | UnsetType | None = UNSET
    moderation: ChatModeration | UnsetType | None = UNSET
