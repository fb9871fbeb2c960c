"""`/chat/completions` and `/embeddings`, handed to the model server of the model they name. Contract: MD-4."""

from treadle.http.context import Context, StreamedAnswer


async def create_chat_completion(ctx: Context, body: bytes) -> StreamedAnswer:
    """operationId createChatCompletion."""
    return await _forward(ctx, "/chat/completions", body)


async def create_embedding(ctx: Context, body: bytes) -> StreamedAnswer:
    """operationId createEmbedding."""
    return await _forward(ctx, "/embeddings", body)


async def _forward(ctx: Context, path: str, body: bytes) -> StreamedAnswer:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in ctx.headers.items()}
    return await ctx.model_servers.forward(path, body, headers)
