# The server in a container. docs/containers.md says how to build and run it.
# With the embedded store: docker build --build-arg REQUIREMENTS=embedded .

FROM python:3.11-slim-bookworm AS build
# A list in requirements/: server, or embedded.
ARG REQUIREMENTS=server
WORKDIR /src
COPY requirements requirements
# pip stays here. Most of what is deleted is the source text of compiled modules: 23 MB.
RUN python -m venv --without-pip /opt/sluice \
    && pip --python /opt/sluice/bin/python install --no-cache-dir --no-deps --require-hashes \
        --requirement "requirements/${REQUIREMENTS}.txt" \
    && find /opt/sluice -name '*.c' -delete
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY ingest ingest
COPY actors actors
RUN pip --python /opt/sluice/bin/python install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Sluice" \
    org.opencontainers.image.description="A web-analytics event collector" \
    org.opencontainers.image.licenses="MIT"
RUN useradd --no-create-home --user-group --uid 10001 --home-dir /var/lib/sluice --shell /usr/sbin/nologin sluice \
    && install --directory --owner sluice --group sluice --mode 0700 /var/lib/sluice
COPY --from=build /opt/sluice /opt/sluice
ENV PATH=/opt/sluice/bin:$PATH \
    PORT=8000
# The root may be read-only: all that is written is here, and in /tmp. The sites file is
# config/sites.toml, the state is in var.
WORKDIR /var/lib/sluice
VOLUME /var/lib/sluice
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:%s/health' % os.environ['PORT'], timeout=4)"]
ENTRYPOINT ["sluice"]
CMD ["serve"]
