# GraphiQL's page, from npm.
FROM node:20-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY app/ app/
COPY --from=page /src/app/web/static/graphiql app/web/static/graphiql
# The page is there already: nothing is built a second time.
RUN PROFILES_SKIP_ASSETS=1 /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 profiles
COPY --from=build /venv /venv
USER 10001
WORKDIR /home/profiles
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PROFILES_HOST=0.0.0.0 PROFILES_LOG=json
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["profiles"]
CMD ["serve"]
