# The one image of a stack: workers, relay, keeper, the AWS door, migrations and Flower, told apart by their module.
#
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:DIGEST --tag registry.example.com/millrace/workers .
#   docker run registry.example.com/millrace/workers workers signup
#
# After the push, NAME@sha256:DIGEST of the image is the stack's setting workerImage.

# A Debian with Python 3.11 or newer, by digest (`docker buildx imagetools inspect python:3.11-slim-bookworm` tells it):
# a tag is another image tomorrow, so there is no default.
ARG BASE

FROM ${BASE:?must_be_an_image_by_digest:_NAME@sha256:DIGEST} AS build
ARG BASE
RUN case "$BASE" in \
        ?*@sha256:????????????????????????????????????????????????????????????????) ;; \
        *) echo "BASE must be an image by digest (NAME@sha256:DIGEST, 64 hexadecimal digits), got $BASE" >&2; exit 64 ;; \
    esac
COPY requirements/image.txt /requirements.txt
# Wheels only: nothing that is downloaded runs while the image is made. The environment itself has no pip.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --no-input \
        --require-hashes --no-deps --only-binary :all: -r /requirements.txt
COPY shared/millrace /app/millrace
COPY workers /app/workers
# Flower's pages, and what they import.
COPY operations/__init__.py operations/aws_place.py operations/connections.py /app/operations/
COPY operations/flower /app/operations/flower
RUN python -m compileall -q /app

FROM ${BASE}
ARG BASE
# The commit it is made of, for people.
ARG REVISION=""
LABEL org.opencontainers.image.title="Millrace workers" \
    org.opencontainers.image.description="Workers, relay, keeper, AWS door, migrations and Flower of a Millrace stack" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="$BASE" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# Runs on a read-only file system: only what TMPDIR names is written to, metrics of a worker's processes among that.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/tmp
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
# The module is the process itself, with no shell between: signals reach it.
ENTRYPOINT ["python", "-m"]
CMD ["workers"]
