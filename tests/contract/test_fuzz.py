"""Whatever the bytes: a value of the type, or an ApiError; and the explanation agrees with the decoder."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from treadle.contract import violations
from treadle.contract.errors import ApiError
from treadle.contract.fields import Body
from treadle.contract.operations import OPERATIONS
from treadle.contract.validation import decode_body, decode_form, decode_query

BODIES = sorted({row.body for row in OPERATIONS.values() if row.body and issubclass(row.body, Body)}, key=repr)
QUERIES = sorted({row.query for row in OPERATIONS.values() if row.query}, key=repr)
JSON_BODIES = [type_ for type_ in BODIES if type_.__name__ not in {"CreateFileRequest", "AddUploadPartRequest"}]

STRATEGIES = {}
characters = st.characters(codec="utf-8")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(characters, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=8), inner, max_size=3),
    max_leaves=6,
)


def near(node, above):
    """Mostly what the type asks for; now and then something else, so that every rule is hit somewhere."""
    return st.one_of(fitting(node, above), fitting(node, above), fitting(node, above), anything)


def fitting(node, above):
    members = list(violations.alternatives(node))
    if len(members) > 1:
        return st.one_of([fitting(member, above) for member in members])
    match violations.bare(members[0]):
        case inspect.StrType() as text if text.pattern:
            prefix = re.match(r"\^(\w+[_-])", text.pattern)
            return st.sampled_from(["f", (prefix[1] if prefix else "") + "1", "a b", "f\n", ""])
        case inspect.StrType():
            return st.text(characters, max_size=6) | st.sampled_from(["x" * 65, "x" * 513, "https://h/a.pdf", "data:"])
        case inspect.LiteralType(values=values):
            return st.sampled_from([*values, "other"])
        case inspect.IntType() | inspect.FloatType():
            return st.integers(-1, 5000) | st.floats(-1, 3)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.ListType(item_type=item):
            return st.lists(near(item, above), max_size=2)
        case inspect.DictType(value_type=value):
            return st.dictionaries(st.sampled_from(["a", "b", "k" * 65]), near(value, above), max_size=3)
        case inspect.StructType() as struct:
            return struct_near(struct, above)
        case _:
            return anything


def struct_near(struct, above=frozenset()):
    """A type inside itself is cut short; each strategy is built once for what is above it."""
    if struct.cls in above:
        return st.just({})
    key = struct.cls, above
    if key not in STRATEGIES:
        STRATEGIES[key] = build_struct(struct, above | {struct.cls})
    return STRATEGIES[key]


def build_struct(struct, above):
    fields = {field.encode_name: st.deferred(lambda f=field: near(f.type, above)) for field in struct.fields}
    if struct.tag_field:
        fields[struct.tag_field] = st.sampled_from([struct.tag, struct.tag, struct.tag, "other"])
    required = {field.encode_name for field in struct.fields if field.required} | {struct.tag_field} - {None}
    optional = {name: value for name, value in fields.items() if name not in required} | {"unknown": st.none()}
    return st.fixed_dictionaries({name: fields[name] for name in required}, optional=optional).flatmap(
        lambda made: st.permutations(list(made.items())).map(dict)
    )


@pytest.mark.parametrize("type_", JSON_BODIES, ids=lambda type_: type_.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_explanation_finds_a_violation_exactly_when_the_decoder_refuses(type_, data):
    value = data.draw(struct_near(violations.described(type_)))
    body = msgspec.json.encode(value)
    try:
        msgspec.json.decode(body, type=type_)
        accepted = True
    except msgspec.ValidationError:
        accepted = False

    assert (violations.first(msgspec.json.decode(body), type_) is None) == accepted


@pytest.mark.parametrize("type_", JSON_BODIES, ids=lambda type_: type_.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_body_gives_a_value_that_can_be_encoded_or_an_api_error(type_, data):
    body = msgspec.json.encode(data.draw(struct_near(violations.described(type_)) | anything))
    cut = data.draw(st.integers(0, len(body)))
    body = data.draw(st.sampled_from([body, body, body[:cut], body[:cut] + b"\xff" + body[cut:], body + body[cut:]]))

    assert_value_or_api_error(lambda: msgspec.json.encode(decode_body(type_, body)))


@given(body=st.binary(max_size=60) | st.text(st.sampled_from('{}[]":,\\ud8019aetrul.-'), max_size=60).map(str.encode))
def test_any_bytes_give_a_value_or_an_api_error(body):
    for type_ in JSON_BODIES:
        assert_value_or_api_error(lambda type_=type_: decode_body(type_, body))


@given(raw=st.binary(max_size=60) | st.text(st.sampled_from("limtordeafncu[]0%5B&=+,-9"), max_size=60).map(str.encode))
def test_any_query_gives_a_value_or_an_api_error(raw):
    for type_ in QUERIES:
        assert_value_or_api_error(lambda type_=type_: repr(decode_query(type_, raw)))


@pytest.mark.parametrize("name", ["limit", "order", "after", "before", "include[]", "include", "run_id", "filter"])
@given(value=st.binary(max_size=40))
def test_any_value_of_a_query_gives_a_value_or_an_api_error(name, value):
    for type_ in QUERIES:
        assert_value_or_api_error(lambda type_=type_: decode_query(type_, name.encode() + b"=" + value))


@given(
    fields=st.dictionaries(
        st.sampled_from(["file", "purpose", "expires_after", "expires_after[seconds]", "expires_after[anchor]", "x[y"]),
        st.text(max_size=5) | st.sampled_from(["assistants", "created_at", "3600", "9" * 2000]) | st.builds(object),
    )
)
def test_any_form_gives_a_value_or_an_api_error(fields):
    for type_ in BODIES:
        assert_value_or_api_error(lambda type_=type_: decode_form(type_, fields))


def assert_value_or_api_error(attempt):
    """Any other exception fails the test by itself."""
    try:
        answer = attempt()
    except ApiError as error:
        answer = error.message if error.http_status == 400 else None

    assert answer
