#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# connect.sh - sourced by the scripts of db/: how they reach a database, and
# how they fail.

die() { # die TEXT [STATUS]
    echo "${0##*/}: $1" >&2
    exit "${2:-1}"
}

# Sets target to the URL $1. A password in it would show in ps: it goes by the
# environment.
connection() {
    target=$1
    if [[ $target =~ ^(postgres(ql)?://[^:/@?]*):([^@/]*)@(.*)$ ]]; then
        local quoted=${BASH_REMATCH[3]//\\/\\\\}
        printf -v PGPASSWORD '%b' "${quoted//%/\\x}"
        export PGPASSWORD
        target=${BASH_REMATCH[1]}@${BASH_REMATCH[4]}
    fi
}
