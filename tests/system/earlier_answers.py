# SPDX-License-Identifier: Apache-2.0
"""Parameters of a call that an earlier one has answered: {"$": [INDEX, MEMBER, ...]} stands for that member of its answer."""


def filled(value, answers):
    if isinstance(value, list):
        return [filled(one, answers) for one in value]
    if not isinstance(value, dict):
        return value
    if "$" in value:
        found = answers[value["$"][0]]
        assert "error" not in found, found
        for member in value["$"][1:]:
            found = found[member]
        return found
    return {name: filled(member, answers) for name, member in value.items()}
