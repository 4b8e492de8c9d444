# The app as an image: `docker compose up` with compose.yaml beside it adds the proxy, TLS and the limits.
# Everything is fetched while it is built, and nothing when it runs. PyPI's PyTorch brings CUDA along: about 8 GB.
# The base has a tag and no digest, so that a build gets its security fixes. Put a digest there for the same base always.

FROM python:3.12-slim AS built
COPY .ci/requirements.lock /app/.ci/requirements.lock
RUN python -m venv /venv
RUN /venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /app/.ci/requirements.lock
COPY pyproject.toml README.md LICENSE /app/
COPY engine /app/engine
COPY pages /app/pages
RUN /venv/bin/python -m pip install --no-cache-dir --no-deps --no-index --no-build-isolation --check-build-dependencies --editable /app
RUN /venv/bin/python -m compileall -q /app /venv/lib

FROM python:3.12-slim
RUN groupadd --system --gid 10001 explorer
RUN useradd --system --uid 10001 --gid 10001 --home-dir /tmp --shell /usr/sbin/nologin explorer
COPY --from=built /venv /venv
COPY --from=built /app /app
COPY app.py /app/app.py
COPY assets /app/assets
COPY .streamlit /app/.streamlit
WORKDIR /app
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin
ENV PYTHONDONTWRITEBYTECODE=1
ENV PYTHONUNBUFFERED=1
ENV OMP_WAIT_POLICY=PASSIVE
ENV HOME=/tmp
ENV EXPECTANCY_WEIGHTS=/weights
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=8)"]
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.address", "0.0.0.0", "--server.port", "8501"]
