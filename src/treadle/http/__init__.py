"""The API over HTTP: requests become typed arguments of handlers, their results and errors become answers."""
