/* SPDX-License-Identifier: Apache-2.0 */
#include "query/engine.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/http.h"
#include "aws/uri.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/num.h"

static const struct {
    const char *scheme;
    const char *origin; /* how the URL of its HTTP interface begins */
    const char *user;   /* default */
    const char *password_variable;
    enum sql_engine kind;
    unsigned port; /* default */
    bool has_catalog;
} schemes[] = {
    {"trino://", "http://", "flowlog", "TRINO_PASSWORD", SQL_TRINO, 8080, true},
    {"trino+https://", "https://", "flowlog", "TRINO_PASSWORD", SQL_TRINO, 443, true},
    {"clickhouse://", "http://", "default", "CLICKHOUSE_PASSWORD", SQL_CLICKHOUSE, 8123, false},
    {"clickhouse+https://", "https://", "default", "CLICKHOUSE_PASSWORD", SQL_CLICKHOUSE, 8443, false},
};

/* Decodes a part; false when it is longer than there is room, or has characters that end a header. */
static bool take_part(char to[static ENGINE_PART_MAX], const char *text, size_t len)
{
    AUTO_BUF struct buf part = BUF_INIT(ENGINE_PART_MAX - 1);
    uri_decode(&part, text, len);
    const char *decoded = buf_string(&part);
    for (const char *c = decoded; *c; c++)
        if ((unsigned char)*c < ' ')
            return false;
    (void)snprintf(to, ENGINE_PART_MAX, "%s", decoded);
    return !part.failed && strlen(decoded) == part.len;
}

/* USER[:PASSWORD], before the @. */
static bool take_user(struct engine *engine, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;
    if (!take_part(engine->user, text, user_len))
        return false;
    return !colon || take_part(engine->password, colon + 1, len - user_len - 1);
}

/* HOST[:PORT], a host in brackets being IPv6. */
static bool take_host(struct engine *engine, const char *origin, unsigned port, const char *text, size_t len)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    const char *bracket = len && text[0] == '[' ? memchr(text, ']', len) : NULL;
    size_t host_len = bracket ? (size_t)(bracket - text) + 1 : 0;
    while (!bracket && host_len < len && text[host_len] != ':')
        host_len++;
    uint64_t number = port;
    if (host_len == 0 || host_len >= ENGINE_PART_MAX || strspn(text, characters) < len)
        return false;
    if (host_len < len &&
        (text[host_len] != ':' ||
         !num_parse_u64(text + host_len + 1, len - host_len - 1, UINT16_MAX, &number) || number == 0))
        return false;
    (void)snprintf(engine->origin, sizeof engine->origin, "%s%.*s:%u", origin, (int)host_len, text,
                   (unsigned)number);
    return true;
}

/* /CATALOG/SCHEMA or /DATABASE. */
static bool take_path(struct engine *engine, bool has_catalog, const char *path)
{
    if (*path == '/')
        path++;
    size_t len = strcspn(path, "/");
    if (!has_catalog)
        return path[len] == '\0' && take_part(engine->schema, path, len);
    return take_part(engine->catalog, path, len) &&
           (!path[len] || (!strchr(path + len + 1, '/') &&
                           take_part(engine->schema, path + len + 1, strlen(path + len + 1))));
}

int engine_parse(struct engine *ret, const char *text, struct fault *fault)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t scheme_len = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, scheme_len) != 0)
            continue;
        struct engine engine = {.kind = schemes[i].kind, .timeout_s = 300};
        (void)snprintf(engine.user, sizeof engine.user, "%s", schemes[i].user);
        const char *place = text + scheme_len;
        size_t len = strcspn(place, "/?#");
        const char *at = memrchr(place, '@', len);
        size_t user_len = at ? (size_t)(at - place) : 0;
        const char *host = at ? at + 1 : place;
        bool good = !at || take_user(&engine, place, user_len);
        good = good &&
               take_host(&engine, schemes[i].origin, schemes[i].port, host, len - (size_t)(host - place));
        good = good && !strpbrk(place + len, "?#") && take_path(&engine, schemes[i].has_catalog, place + len);
        if (!good) /* the text may have a password */
            return fault_set(fault, -EINVAL, "--engine: %s[USER[:PASSWORD]@]HOST[:PORT]%s is due",
                             schemes[i].scheme,
                             schemes[i].has_catalog ? "[/CATALOG[/SCHEMA]]" : "[/DATABASE]");
        const char *password = getenv(schemes[i].password_variable);
        if (!engine.password[0] && password)
            (void)snprintf(engine.password, sizeof engine.password, "%s", password);
        *ret = engine;
        return 0;
    }
    return fault_set(fault, -EINVAL,
                     "--engine '%.*s': duckdb, athena, trino, spark or clickhouse with --print-sql, or "
                     "trino://HOST:PORT/CATALOG/SCHEMA or clickhouse://HOST:PORT/DATABASE is due",
                     (int)strcspn(text, ":"), text);
}

unsigned engine_time_left(const struct engine *engine, uint64_t deadline_ns, struct fault *fault)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns + NS_PER_MS < deadline_ns)
        return (unsigned)((deadline_ns - now_ns) / NS_PER_MS);
    (void)fault_set(fault, -ETIMEDOUT, "%s: no complete answer within %u s; --timeout allows more",
                    engine->origin, engine->timeout_s);
    return 0;
}

void engine_first_line(char *to, size_t size, const char *text, size_t len)
{
    size_t line = 0;
    while (line < len && text[line] != '\n' && text[line] != '\r' && line + 1 < size)
        line++;
    (void)snprintf(to, size, "%.*s", (int)line, text);
}

int engine_ask(const struct engine *engine, const char *sql, const struct engine_sink *sink,
               struct fault *fault)
{
    const struct http_settings settings = {.stall_s = engine->timeout_s};
    struct http *http AUTO_HTTP = NULL;
    int r = http_new(&http, &settings, fault);
    if (r < 0)
        return r;
    return engine->kind == SQL_TRINO ? engine_ask_trino(engine, http, sql, sink, fault)
                                     : engine_ask_clickhouse(engine, http, sql, sink, fault);
}
