"""Models over HTTP. Contract: docs/behaviour.md, MD-1 to MD-3."""

from treadle.contract.errors import NotFound, PermissionDenied
from treadle.contract.models import Model, ModelDeleted, ModelList
from treadle.http.context import Context


async def list_models(ctx: Context) -> ModelList:
    """operationId listModels."""
    return await ctx.model_servers.models()


async def retrieve_model(ctx: Context, model: str) -> Model:
    """operationId retrieveModel. Raises NotFound (E-69)."""
    return await _find(ctx, model)


async def delete_model(ctx: Context, model: str) -> ModelDeleted:
    """operationId deleteModel. The models are the operator's, so no caller may (MD-2)."""
    await _find(ctx, model)
    raise PermissionDenied.insufficient()


async def _find(ctx: Context, model: str) -> Model:
    listed = await ctx.model_servers.models()
    found = next((candidate for candidate in listed.data if candidate.id == model), None)
    if found is None:
        raise NotFound.model(model)
    return found
