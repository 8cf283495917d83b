/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/function.h"

#include <string.h>
#include <strings.h>

#include "base/nearest.h"

static const struct function functions[] = {
    {"abs", "n", "abs($1)", KIND_NUMBER},
    {"ceil", "n", "ceil($1)", KIND_NUMBER},
    {"floor", "n", "floor($1)", KIND_NUMBER},
    {"greatest", "n*", "greatest($*)", KIND_NUMBER},
    {"least", "n*", "least($*)", KIND_NUMBER},
    {"log", "n", "CASE WHEN $1 > 0 THEN ln($1) END", KIND_NUMBER},
    {"sqrt", "n", "CASE WHEN $1 >= 0 THEN sqrt($1) END", KIND_NUMBER},
    {"bin", "p", "time_bucket($1, $T)", KIND_TIME},
    {"datefloor", "vp", "time_bucket($2, $1)", KIND_TIME},
    {"dateceil", "vp", "CASE WHEN time_bucket($2, $1) = $1 THEN $1 ELSE time_bucket($2, $1) + $2 END",
     KIND_TIME},
    {"fromMillis", "n", "epoch_ms(CAST($1 AS BIGINT))", KIND_TIME},
    {"toMillis", "v", "epoch_ms($1)", KIND_NUMBER},
    {"now", "", "CAST(epoch(now()) AS BIGINT)", KIND_NUMBER},
    {"ispresent", "v", "$1 IS NOT NULL", KIND_BOOL},
    {"coalesce", "v*", "coalesce($*)", KIND_TEXT, .result_as_argument = true},
    {"isempty", "t", "coalesce($1, '') = ''", KIND_BOOL},
    {"isblank", "t", "trim(coalesce($1, '')) = ''", KIND_BOOL},
    {"concat", "t*", "concat($*)", KIND_LOOSE},
    {"ltrim", "t", "ltrim($1)", KIND_LOOSE},
    {"ltrim", "tt", "ltrim($1, $2)", KIND_LOOSE},
    {"rtrim", "t", "rtrim($1)", KIND_LOOSE},
    {"rtrim", "tt", "rtrim($1, $2)", KIND_LOOSE},
    {"trim", "t", "trim($1)", KIND_LOOSE},
    {"trim", "tt", "trim($1, $2)", KIND_LOOSE},
    {"strlen", "t", "length($1)", KIND_NUMBER},
    {"toupper", "t", "upper($1)", KIND_LOOSE},
    {"tolower", "t", "lower($1)", KIND_LOOSE},
    {"substr", "tn", "substr($1, CAST($2 AS BIGINT) + 1)", KIND_LOOSE},
    {"substr", "tnn", "substr($1, CAST($2 AS BIGINT) + 1, CAST($3 AS BIGINT))", KIND_LOOSE},
    {"replace", "ttt", "replace($1, $2, $3)", KIND_LOOSE},
    {"strcontains", "tt", "contains($1, $2)", KIND_BOOL},
    {"isValidIp", "t", "coalesce(in_cidr($1, '0.0.0.0/0') OR in_cidr($1, '::/0'), false)", KIND_BOOL},
    {"isValidIpV4", "t", "coalesce(in_cidr($1, '0.0.0.0/0'), false)", KIND_BOOL},
    {"isValidIpV6", "t", "coalesce(in_cidr($1, '::/0'), false)", KIND_BOOL},
    {"isIpInSubnet", "tt", "coalesce(in_cidr($1, $2), false)", KIND_BOOL},
    {"isIpv4InSubnet", "tt", "coalesce(in_cidr($1, $2) AND in_cidr($1, '0.0.0.0/0'), false)", KIND_BOOL},
    {"isIpv6InSubnet", "tt", "coalesce(in_cidr($1, $2) AND in_cidr($1, '::/0'), false)", KIND_BOOL},
    {"avg", "n", "avg($1)", KIND_NUMBER, .is_aggregate = true},
    {"count", "", "count(*)", KIND_NUMBER, .is_aggregate = true},
    {"count", "v", "count($1)", KIND_NUMBER, .is_aggregate = true},
    {"count_distinct", "v", "count(DISTINCT $1)", KIND_NUMBER, .is_aggregate = true},
    {"max", "o", "max($1)", KIND_NUMBER, .result_as_argument = true, .is_aggregate = true},
    {"min", "o", "min($1)", KIND_NUMBER, .result_as_argument = true, .is_aggregate = true},
    {"pct", "nn", "quantile_cont($1, $2 / 100)", KIND_NUMBER, .is_aggregate = true},
    {"stddev", "n", "stddev_samp($1)", KIND_NUMBER, .is_aggregate = true},
    {"sum", "n", "sum($1)", KIND_NUMBER, .is_aggregate = true},
    {"earliest", "v", "arg_min($1, $T)", KIND_TEXT, .result_as_argument = true, .is_aggregate = true},
    {"latest", "v", "arg_max($1, $T)", KIND_TEXT, .result_as_argument = true, .is_aggregate = true},
    {"sortsFirst", "t", "min($1)", KIND_LOOSE, .is_aggregate = true},
    {"sortsLast", "t", "max($1)", KIND_LOOSE, .is_aggregate = true},
};

static bool takes(const struct function *function, size_t arguments)
{
    size_t named = strcspn(function->arguments, "*");
    return arguments == named || (arguments > named && function->arguments[named]);
}

const struct function *function_find(const char *name, size_t arguments, bool *ret_named)
{
    *ret_named = false;
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        if (strcasecmp(functions[i].name, name) != 0)
            continue;
        *ret_named = true;
        if (takes(&functions[i], arguments))
            return &functions[i];
    }
    return NULL;
}

char function_argument(const struct function *function, size_t index)
{
    size_t named = strcspn(function->arguments, "*");
    return function->arguments[index < named ? index : named - 1];
}

bool function_takes_period(const char *name, size_t index)
{
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        if (strcasecmp(functions[i].name, name) == 0 && index < strlen(functions[i].arguments) &&
            functions[i].arguments[index] == 'p')
            return true;
    return false;
}

const char *function_nearest(const char *name)
{
    struct nearest nearest = {.wanted = name, .len = strlen(name)};
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        nearest_consider(&nearest, functions[i].name);
    return nearest.name;
}
