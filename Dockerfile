# The image holds one program, the certificates of public authorities and a C library: no shell, no git, no kubectl.
#
#   docker build -t kubeferry .
#   docker run --rm -v "$PWD:/work:ro" kubeferry check -f /work/config.yaml

FROM rust:1.95-slim-bookworm AS build
# OpenSSL is built from source, which its scripts need perl and make for.
RUN apt-get update && apt-get install -y --no-install-recommends make perl && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The base below has no zlib.
ENV LIBZ_SYS_STATIC=1
# Without the embedded API server of the demo and the tests.
RUN cargo build --release --locked --no-default-features --features vendored-openssl

# By tag, so that a build takes the base's security fixes along; name a digest where builds must be repeatable.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/kubeferry /usr/local/bin/kubeferry
# OpenSSL from source looks where it was built to be installed, which does not exist here.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/kubeferry"]
CMD ["run"]
