"""deleteModel. Contract: docs/behaviour.md, rule MD-2: the models are the operator's, so no caller may."""


async def test_nobody_may_delete_a_model(api):
    answer = await api.delete("/models/scripted")

    assert answer.refusal == (403, None, None)
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["message"].startswith("You have insufficient permissions")
    assert (await api.get("/models/scripted")).status == 200


async def test_an_unknown_model_is_not_found(api):
    """E-69."""
    answer = await api.delete("/models/org%2Fname")

    assert answer.refusal == (404, "model_not_found", "model")
    assert answer.error["message"] == "The model 'org/name' does not exist"
