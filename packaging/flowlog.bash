# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of flowlog and flowlogd for bash. Commands, options and choices are read from --help, so they are
# always those of the installed version.

# The words that an option takes, from its line "  --option a|b  help", one per line.
_flowlog_choices() {
    sed -nE "s/^.*$1(, --[a-z-]+)?[= ](<|\{)?([a-z0-9-]+(\|[a-z0-9-]+)+).*/\3/p" <<<"$2" | tr '|' '\n'
}

# The named queries; behind one of them its parameters.
_flowlog_queries() {
    if [ "$2" = query ]; then
        "$1" query --list -o csv 2>/dev/null | sed -n '2,$s/,.*//p'
    else
        "$1" query "$2" --explain-query 2>/dev/null | sed -nE 's/^  ([a-z-]+=).*/\1/p'
    fi
}

_flowlog() {
    local program=$1 current=$2 previous=$3 help words
    local -a command=()
    if [ "${program##*/}" = flowlog ]; then
        if [ "$COMP_CWORD" -eq 1 ]; then
            words=$("$program" --help 2>/dev/null | sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p')
            mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$current")
            return
        fi
        command=("${COMP_WORDS[1]}")
    fi
    help=$("$program" "${command[@]}" --help 2>/dev/null)
    if [[ $current == -* ]]; then
        words=$(sed -nE 's/^  (-., )?(--[a-z-]+).*/\2/p' <<<"$help")
    elif [[ $previous == -* ]]; then
        words=$(_flowlog_choices "$previous" "$help")
    elif [ "${command[*]}" = query ]; then
        words=$(_flowlog_queries "$program" "$previous")
    fi
    mapfile -t COMPREPLY < <(compgen -W "${words-}" -- "$current")
    # Anything else is a file, as far as one can tell.
    [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}

complete -F _flowlog flowlog flowlogd
