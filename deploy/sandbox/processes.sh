# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# processes.sh - sourced by ./sandbox: the processes of a namespace, seen from
# outside; signals, time-outs and the terminal.

# The only child of process $1: the namespace's init, seen from here.
child_of() {
    local child=
    read -r child 2>/dev/null <"/proc/$1/task/$1/children" || true
    printf '%s' "${child%% *}"
}

# When process $1 started, in ticks since boot; tells a reused pid apart.
start_time() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086 # split on purpose: field 22 of proc(5)
    set -- $stat
    printf '%s' "${20}"
}

# Prints the tini that process $1 (unshare or nsenter) runs, once it has started
# its command; a signal sent earlier would be lost.
tini_of() {
    local tick init
    for ((tick = 0; tick < 200; tick++)); do
        init=$(child_of "$1")
        if [[ -n $init && $(cat "/proc/$init/comm" 2>/dev/null) = tini &&
            -n $(child_of "$init") ]]; then
            printf '%s' "$init"
            return
        fi
        [[ -d /proc/$1 ]] || return 1
        sleep 0.02
    done
    return 1
}

# Gives process $1 ten seconds to end, then ends it and all below it.
end_in_time() {
    local tick init group
    for ((tick = 0; tick < 100; tick++)); do
        [[ -d /proc/$1 ]] || return 0
        sleep 0.1
    done
    say "still running 10 s after the signal: killed"
    init=$(child_of "$1")
    group=$([[ -z $init ]] || child_of "$init")
    [[ -z $group ]] || kill -KILL -- "-$group" 2>/dev/null || true
    [[ -z $init ]] || kill -KILL "$init" 2>/dev/null || true
}

# Passes a signal on to our command: unshare and nsenter do not.
forward() {
    local init
    interrupted=1
    init=$(tini_of "$child") && kill "-$1" "$init" 2>/dev/null
    [[ -n $watcher ]] || { end_in_time "$child" & watcher=$!; }
}

# Runs "$@" (unshare or nsenter, whose child becomes a tini) and exits with its
# code.
supervise() {
    local code=0
    interrupted='' watcher='' child=''
    trap 'forward INT' INT
    trap 'forward TERM' TERM
    trap 'forward HUP' HUP
    setpriv --pdeathsig KILL env --default-signal=INT,QUIT "$@" <&0 &
    child=$!
    while
        interrupted='' code=0
        wait "$child" || code=$?
        [[ -n $interrupted ]]
    do :; done
    [[ -z $watcher ]] || wait "$watcher" || true
    # tini made its command the terminal's foreground group: take it back.
    # shellcheck disable=SC2016 # Perl's variable
    [[ ! -t 0 ]] || perl -MPOSIX -e '$SIG{TTOU} = "IGNORE";
        POSIX::tcsetpgrp(0, getpgrp())' || true
    exit "$code"
}
