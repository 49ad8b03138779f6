# chat-server alone: `docker build -t chat-server .`
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p chat-server

FROM debian:bookworm-slim
# What a broker with TLS is checked against.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/chat-server /usr/local/bin/
USER nobody
EXPOSE 8080
ENTRYPOINT ["chat-server", "--listen", "0.0.0.0:8080"]
CMD ["--store", "none"]
