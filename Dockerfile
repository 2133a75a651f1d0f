# The front end is built with Node, the image runs without it.
FROM node:22-slim AS frontend
WORKDIR /build/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY frontend ./
COPY templates ../templates
COPY dashboard ../dashboard
RUN npm run build

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 AGENTFLOW_DATA_DIR=/data
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
COPY --from=frontend /build/static/dist static/dist
# The data folder of the build holds nothing but a throw-away secret key.
RUN for po in locale/*/LC_MESSAGES/django.po; do pybabel --quiet compile --input-file "$po" --output-file "${po%.po}.mo"; done \
 && AGENTFLOW_DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
 && rm -r /tmp/build \
 && useradd --create-home agentflow \
 && mkdir -m 700 /data /tokens && chown agentflow /data /tokens
USER agentflow
VOLUME /data
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["python", "-m", "agentflow_site.healthcheck"]
CMD ["python", "manage.py", "leader", "--http", "127.0.0.1:8000", "--grpc", "127.0.0.1:7946"]
