# One image for every process: `serve`, `worker`, `migrate`, `keys`, `doctor`. See docs/running/containers.md.
# The Python is the one that the tests run on.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/
# Wheels only, so that nothing is compiled. The environment gets no pip: it is filled from outside.
RUN python -m venv --without-pip /opt/treadle \
    && pip install --no-deps --require-hashes --only-binary :all: -r requirements/build.txt \
    && pip --python /opt/treadle/bin/python install --no-deps --require-hashes --only-binary :all: \
        -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/treadle/bin/python install --no-deps --no-index dist/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Treadle" \
    org.opencontainers.image.description="A self-hosted, drop-in server for the OpenAI Assistants API v2" \
    org.opencontainers.image.licenses="MIT"
# A number, so that it is the same on every host; nothing but the data folder is its own.
RUN python -m pip uninstall --yes pip \
    && groupadd --gid 10001 treadle \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/treadle --shell /usr/sbin/nologin treadle \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/treadle
COPY --from=build /opt/treadle /opt/treadle
ENV PATH=/opt/treadle/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TREADLE_DATA_DIR=/var/lib/treadle \
    TREADLE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/treadle
VOLUME /var/lib/treadle
EXPOSE 8000
STOPSIGNAL SIGTERM
# For `serve`. A worker listens on no port: switch this off there, its lease in the database is its sign of life.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('TREADLE_PORT') or 8000), timeout=2); \
server.request('GET', '/healthz'); \
sys.exit(server.getresponse().status != 200)"]
ENTRYPOINT ["treadle"]
CMD ["serve"]
