#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# progress.sh - sourced by backup.sh and restore.sh: what pg_dump and pg_restore
# say with --verbose, for people.

# progress LOG TEXT TOTAL - reads their lines: all go to LOG, lines with TEXT
# are counted and told of every five seconds. TOTAL: '' if not known.
progress() {
    local line n=0 told=$SECONDS of=${3:+ of $3}
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line == *"$2"* ]] || continue
        n=$((n + 1))
        if ((SECONDS - told >= 5)); then
            told=$SECONDS
            echo "  $n$of tables" >&2
        fi
    done >"$1"
    echo "  $n tables" >&2
}

# complaints LOG - the lines of LOG that say what went wrong. Circular foreign
# keys within TimescaleDB's own catalog are known and harmless.
complaints() {
    grep -E 'error|fatal|warning|DETAIL|HINT' -i "$1" | grep -v 'circular foreign-key' | tail -n 20
}
