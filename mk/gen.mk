# Sources made at build time, in build/gen. Every object waits for GEN_HEADERS;
# GEN_SOURCES join the library.

GEN         := build/gen
GEN_SOURCES :=
GEN_HEADERS :=
