#compdef flowlog flowlogd
# SPDX-License-Identifier: Apache-2.0
# Completion of flowlog and flowlogd for zsh. As for bash, commands, options and choices are read from --help, so they
# are always those of the installed version.

_flowlog() {
    local program=$words[1] help line option
    local -a command commands options choices
    if [[ ${program:t} == flowlog ]]; then
        if (( CURRENT == 2 )); then
            for line in ${(f)"$(_call_program commands $program --help)"}; do
                [[ $line =~ '^  ([a-z][a-z-]*) +(.*)$' ]] && commands+=("$match[1]:$match[2]")
            done
            _describe -t commands command commands -- '(--help:print\ help --version:print\ the\ version)'
            return
        fi
        command=($words[2])
    fi
    help=$(_call_program options $program $command --help)
    option=$words[CURRENT-1]
    for line in ${(f)help}; do
        # "  -o, --form a|b|c  what it is for"
        [[ $line =~ '^  (-., )?(--[a-z-]+)( [^ ]+)?( +(.*))?$' ]] || continue
        options+=("$match[2]:$match[5]")
        if [[ $option == -* && ( $option == $match[2] || $option == ${match[1]%, } ) && $match[3] == *'|'* ]]; then
            choices=(${(s:|:)match[3]# })
        fi
    done
    if [[ $words[CURRENT] == -* ]]; then
        _describe -t options option options
    elif (( $#choices )); then
        compadd -a choices
    elif [[ $command == query && $option == query ]]; then
        choices=(${${${(f)"$(_call_program queries $program query --list -o csv)"}[2,-1]}%%,*})
        compadd -a choices
    else
        _files
    fi
}

_flowlog "$@"
