# The static program and nothing else: the authorities of Amazon's endpoints are built in.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /pumice
COPY . .
RUN cargo install --locked --path cli --root /out

FROM scratch
COPY --from=build /out/bin/pumice /pumice
USER 65532:65532
EXPOSE 8790
ENTRYPOINT ["/pumice"]
# A key is needed: PUMICE_API_KEY, or a mounted file and --api-key-file.
CMD ["serve", "--listen", "0.0.0.0:8790"]
