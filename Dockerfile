# syntax=docker/dockerfile:1
# A static binary in an empty image: no shell, no package manager, no libc to patch, and no root.

FROM rust:1.95-alpine AS build
# ring compiles a little C, and links it statically against musl.
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# The development crate is part of the workspace, so Cargo wants to see it; nothing of it is built.
COPY lab/Cargo.toml lab/Cargo.toml
RUN mkdir -p lab/src && echo 'fn main() {}' > lab/src/main.rs && touch lab/src/lib.rs
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package netbaseline --bin netbaseline \
    && cp target/dist/netbaseline /netbaseline

FROM scratch
COPY LICENSE /LICENSE
COPY --from=build /netbaseline /netbaseline
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/netbaseline"]
CMD ["run"]
