# A small image without a shell, with an unprivileged user. .ci/run lints it, but does not build it.
#   docker build -t ghrepos . && docker run --rm -e GH_TOKEN -v "$PWD:/data" ghrepos -f team.txt
# Reports are written to /data, which has to be writable for user 65532.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/ghrepos /usr/bin/ghrepos
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /data
ENTRYPOINT ["/usr/bin/ghrepos"]
