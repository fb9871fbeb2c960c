"""The envelope, and the texts that no body can provoke. Rules E-1, E-10 to E-19, E-44, E-45, E-60 to E-80, RL-2."""

import pytest

from treadle.contract import errors
from treadle.contract.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    TooLarge,
)

# rule, error, status, type, message, param, code
TEXTS = [
    (
        "E-12",
        InvalidRequest.beta_header_missing(),
        400,
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
        "Please try again by setting the header 'OpenAI-Beta: assistants=v2'.",
        None,
        "invalid_beta",
    ),
    ("E-13", NotFound.url("GET", "/v1/nope"), 404, "Invalid URL (GET /v1/nope)", None, None),
    (
        "E-14",
        MethodNotAllowed.of("GET", "/v1/threads", ["POST"]),
        405,
        "Invalid method for URL (GET /v1/threads)",
        None,
        None,
    ),
    (
        "E-17",
        InvalidRequest.unsupported_content_type("text/plain"),
        400,
        "Unsupported content type: 'text/plain'. This API method only accepts 'application/json' requests, but you "
        "specified the header 'Content-Type: text/plain'. Please try again with a supported content type.",
        None,
        "unsupported_content_type",
    ),
    ("E-18", TooLarge.body(), 413, "Request body is too large.", None, None),
    (
        "E-44",
        InvalidRequest.unknown_model("gpt-9"),
        400,
        "The requested model 'gpt-9' does not exist.",
        "model",
        "model_not_found",
    ),
    (
        "E-45",
        InvalidRequest.unusable_model("tts-1"),
        400,
        "The requested model 'tts-1' cannot be used with the Assistants API.",
        "model",
        "unsupported_model",
    ),
    ("E-60", NotFound.of("assistant", "asst_1"), 404, "No assistant found with id 'asst_1'.", None, None),
    ("E-61", NotFound.of("thread", "thread_1"), 404, "No thread found with id 'thread_1'.", None, None),
    ("E-62", NotFound.of("message", "msg_1"), 404, "No message found with id 'msg_1'.", None, None),
    ("E-62", NotFound.of("run", "run_1"), 404, "No run found with id 'run_1'.", None, None),
    ("E-62", NotFound.of("run_step", "step_1"), 404, "No run step found with id 'step_1'.", None, None),
    ("E-64", NotFound.of("vector_store", "vs_1"), 404, "No vector store found with id 'vs_1'.", None, None),
    (
        "E-65",
        NotFound.file_in_vector_store("file-1", "vs_1"),
        404,
        "No file found with id 'file-1' in vector store 'vs_1'.",
        None,
        None,
    ),
    (
        "E-66",
        NotFound.of("vector_store_file_batch", "vsfb_1"),
        404,
        "No vector store file batch found with id 'vsfb_1'.",
        None,
        None,
    ),
    ("E-67", NotFound.of("file", "file-1"), 404, "No such File object: file-1", "id", None),
    ("E-68", NotFound.of("upload", "upload_1"), 404, "No such Upload object: upload_1", "id", None),
    ("E-69", NotFound.model("gpt-9"), 404, "The model 'gpt-9' does not exist", "model", "model_not_found"),
    ("VS-14", NotFound.file_to_attach("file-1"), 404, "No such File object: file-1", "file_id", None),
    (
        "E-70",
        InvalidRequest.files_not_found("file_ids", ["file-1", "file-2"]),
        400,
        "The following files were not found: file-1, file-2.",
        "file_ids",
        None,
    ),
    (
        "E-71",
        InvalidRequest.thread_locked("thread_1", "run_1"),
        400,
        "Can't add messages to thread_1 while a run run_1 is active.",
        None,
        None,
    ),
    (
        "E-72",
        InvalidRequest.run_already_active("thread_1", "run_1"),
        400,
        "Thread thread_1 already has an active run run_1.",
        None,
        None,
    ),
    (
        "E-73",
        InvalidRequest.no_outputs_expected("queued"),
        400,
        'Runs in status "queued" do not accept tool outputs.',
        None,
        None,
    ),
    (
        "E-74",
        InvalidRequest.wrong_tool_outputs(["call_a", "call_b"], ["call_a"]),
        400,
        "Expected tool outputs for call_ids ['call_a', 'call_b'], got ['call_a']",
        None,
        None,
    ),
    (
        "E-75",
        InvalidRequest.cannot_cancel_run("completed"),
        400,
        "Cannot cancel run with status 'completed'.",
        None,
        None,
    ),
    (
        "E-76",
        InvalidRequest.unsupported_for_retrieval([".csv"]),
        400,
        "Files with extensions [.csv] are not supported for retrieval. "
        "See https://platform.openai.com/docs/assistants/tools/file-search/supported-files",
        "file_ids",
        "unsupported_file",
    ),
    (
        "E-77",
        InvalidRequest.vector_store_expired("vs_1"),
        400,
        "Vector store 'vs_1' has expired.",
        None,
        None,
    ),
    (
        "E-78",
        InvalidRequest.not_downloadable("assistants"),
        400,
        "Not allowed to download files of purpose: assistants",
        None,
        None,
    ),
    (
        "E-79",
        InvalidRequest.unsupported_image_file(".pdf"),
        400,
        "Invalid message content: Expected file type to be a supported format: .jpeg, .jpg, .png, .gif, .webp but got "
        ".pdf.",
        None,
        None,
    ),
    (
        "U-4",
        InvalidRequest.wrong_upload_size(3, 4),
        400,
        "The number of bytes uploaded (3) does not match the expected number of bytes (4).",
        "bytes",
        None,
    ),
    ("U-4", InvalidRequest.wrong_upload_checksum(), 400, "The MD5 checksum does not match.", "md5", None),
    (
        "U-6",
        InvalidRequest.wrong_upload_state("upload_1", "expired", "completed"),
        400,
        "Upload upload_1 is expired and cannot be completed.",
        None,
        None,
    ),
    (
        "MD-2",
        PermissionDenied.insufficient(),
        403,
        "You have insufficient permissions for this operation.",
        None,
        None,
    ),
]


@pytest.mark.parametrize(("rule", "error", "status", "message", "param", "code"), TEXTS, ids=[row[0] for row in TEXTS])
def test_each_answer_has_its_literal_text(rule, error, status, message, param, code):
    assert error.http_status == status
    assert error.envelope() == {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    }


def test_a_missing_key_is_answered_with_our_own_hint():
    error = AuthenticationFailed.no_key()

    assert error.http_status == 401
    assert error.message.startswith("You didn't provide an API key. You need to provide your API key in an Authorizat")
    assert error.message.endswith("`treadle keys create`.")
    assert (error.param, error.code) == (None, None)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk-1234567890abcdefghijWXYZ", "sk-12345" + "*" * 15 + "WXYZ"),
        ("k" * 20, "k" * 8 + "*" * 8 + "k" * 4),
        ("k" * 19, "*" * 19),
    ],
)
def test_a_wrong_key_is_shown_masked(key, shown):
    error = AuthenticationFailed.wrong_key(key)

    assert error.message == f"Incorrect API key provided: {shown}."
    assert error.code == "invalid_api_key"


def test_a_fault_of_ours_has_type_server_error_and_says_when_not_to_try_again():
    assert ServerFault.unexpected().envelope()["error"] == {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert ServerFault.unexpected().headers == {}
    assert ServerFault.unexpected(retry=False).headers == {"x-should-retry": "false"}


def test_a_rate_limit_has_a_type_of_its_own_and_a_delay_of_at_least_a_second():
    error = RateLimited.requests(retry_after_seconds=0)

    assert (error.http_status, error.type, error.code) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert error.headers == {"Retry-After": "1"}
    assert RateLimited.requests().headers == {}


def test_a_spent_quota_is_not_worth_a_retry():
    error = QuotaExceeded.of_project()

    assert (error.http_status, error.type, error.code) == (429, "insufficient_quota", "insufficient_quota")
    assert error.headers == {"x-should-retry": "false"}


def test_a_long_value_of_the_caller_comes_back_cut():
    error = NotFound.of("run", "run_" + "x" * 1_000_000)

    assert len(error.message) < 300


def test_a_state_conflict_is_never_409_and_a_validation_error_never_422():
    def statuses(cls):
        return {cls.http_status, *(status for child in cls.__subclasses__() for status in statuses(child))}

    assert set().union(*(statuses(cls) for cls in ApiError.__subclasses__())) == {
        400,
        401,
        403,
        404,
        405,
        413,
        429,
        500,
        502,
        503,
    }


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    drawn = {line.split()[-2] if line[-1].isdigit() else line.split()[-1] for line in errors.__doc__.splitlines()[3:]}

    def names(cls):
        return {child.__name__ for child in cls.__subclasses__()}.union(*map(names, cls.__subclasses__()))

    assert drawn == names(ApiError)
