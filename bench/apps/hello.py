"""One route in Starlette that says hello: the least a request can cost on this framework and server."""

import argparse

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.apps.serving import serve


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    serve(Starlette(routes=[Route("/hello", hello)]), parser.parse_args().port)
