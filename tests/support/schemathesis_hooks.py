"""Read by schemathesis in its own process (see tests/api/test_schemathesis.py)."""

import schemathesis


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """The published form of an event describes `data` as the object that its line holds; schemathesis takes the line.

    What streams hold is checked against the types by the suites of runs and streams.
    """
    return not response.headers["content-type"][0].startswith("text/event-stream")
