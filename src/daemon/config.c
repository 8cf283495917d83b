/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "daemon/config_keys.h"
#include "daemon/config_reader.h"
#include "daemon/flow_log.h"

#define FILE_MAX (4 * 1024 * 1024)
#define REPORT_MAX (4 * 1024 * 1024)

static void report_init(struct config_report *report)
{
    *report = (struct config_report){.mistakes = BUF_INIT(REPORT_MAX)};
}

void config_report_done(struct config_report *report)
{
    buf_done(&report->mistakes);
}

void config_done(struct config *config)
{
    config_keys_free(config_keys, config);
}

/* An element with defaults of a list that the file does not have; NULL without memory. */
static void *make_element(const struct config_key *list, void *base)
{
    void *element = calloc(1, list->element_size);
    if (!element)
        return NULL;
    *(void **)((char *)base + list->offset) = element;
    *(size_t *)((char *)base + list->count_offset) = 1;
    return config_keys_set_defaults(list->children, element) < 0 ? NULL : element;
}

static int set_by_name(const struct config_key *list, void *element, const char *name, const char *text)
{
    const struct config_key *key = config_key_find(list->children, name, strlen(name));
    return config_key_set(key, element, text, strlen(text), NULL);
}

static int make_default_interface(struct config *config)
{
    void *rule = make_element(config_key_interfaces, config);
    return rule ? set_by_name(config_key_interfaces, rule, "device", "*") : -ENOMEM;
}

static int make_default_flow_log(struct config *config)
{
    AUTO_FREE char *destination = NULL;
    if (asprintf(&destination, "file://%s", config->store_path) < 0) {
        destination = NULL;
        return -ENOMEM;
    }
    const char *const settings[][2] = {
        {"name", "default"},        {"interval", "60"}, {"format", "all"}, {"destination", destination},
        {"file-format", "parquet"}, {"hive", "true"},   {"hourly", "true"}};
    void *log = make_element(config_key_flow_logs, config);
    int r = log ? 0 : -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(settings) && r == 0; i++)
        r = set_by_name(config_key_flow_logs, log, settings[i][0], settings[i][1]);
    return r;
}

static int default_store_path(struct config *config, const char *state)
{
    if (config->store_path)
        return 0;
    AUTO_FREE char *here = state[0] == '/' ? strdup("") : getcwd(NULL, 0);
    if (here && asprintf(&config->store_path, "%s%s%s/store", here, here[0] ? "/" : "", state) >= 0)
        return 0;
    config->store_path = NULL;
    return -ENOMEM;
}

static int default_listen(struct config *config)
{
    config->listen_declared = config->listen_address || config->listen_port;
    if (!config->listen_port)
        config->listen_port = CONFIG_PORT_DEFAULT;
    if (!config->listen_address)
        config->listen_address = strdup(CONFIG_ADDRESS_DEFAULT);
    return config->listen_address ? 0 : -ENOMEM;
}

static int check_listen(const struct config *config, struct fault *fault)
{
    struct address address = {0};
    const char *text = config->listen_address;
    bool certificate = config->listen_certificate[0];
    if (certificate != (config->listen_key[0] != '\0'))
        return fault_set(fault, -EINVAL, "listen.%s: missing: listen.%s needs it",
                         certificate ? "key" : "certificate", certificate ? "certificate" : "key");
    if (!certificate && address_parse(text, strlen(text), &address) && !address_is_loopback(&address))
        return fault_set(fault, -EINVAL,
                         "listen.address: found '%s', allowed without listen.certificate and listen.key: "
                         "127.0.0.0/8 or ::1",
                         text);
    return 0;
}

/* What only the whole can tell: what is not in the file, and what follows from it. */
static int finish(struct config *config, const char *state, struct fault *fault)
{
    int r = default_store_path(config, state);
    if (r == 0)
        r = default_listen(config);
    if (r == 0)
        r = check_listen(config, fault);
    if (r == 0 && !config->topology.rules)
        r = make_default_interface(config);
    if (r == 0 && !config->flow_logs)
        r = make_default_flow_log(config);
    for (size_t i = 0; i < config->flow_log_count && r == 0; i++)
        r = flow_log_resolve(&config->flow_logs[i], &config->topology, fault);
    return r;
}

static int read_all(struct config *config, const char *text, size_t len, const char *name, const char *state,
                    struct config_report *report)
{
    struct fault fault = {0};
    int r = config_keys_set_defaults(config_keys, config);
    if (r == 0 && text)
        r = config_read(config, text, len, name, report);
    if (r == 0 && report->mistake_count == 0)
        r = finish(config, state, &fault);
    if (r < 0)
        config_report_mistake(report, name, 1, fault.text[0] ? fault.text : strerror(-r));
    return r == 0 && report->mistake_count ? -EINVAL : r;
}

static int parse(struct config *ret, const char *text, size_t len, const char *name, const char *state,
                 struct config_report *report)
{
    *ret = (struct config){0};
    int r = read_all(ret, text, len, name, state, report);
    if (r < 0)
        config_done(ret);
    return r;
}

int config_parse(struct config *ret, const char *text, size_t len, const char *name, const char *state,
                 struct config_report *report)
{
    report_init(report);
    return parse(ret, text, len, name, state, report);
}

int config_load(struct config *ret, const char *path, const char *state, struct config_report *report)
{
    report_init(report);
    if (!path)
        return parse(ret, NULL, 0, "built-in configuration", state, report);
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    struct fault fault = {0};
    int r = file_read(path, &text, &fault);
    if (r == 0)
        return parse(ret, text.data ? text.data : "", text.len, path, state, report);
    *ret = (struct config){0};
    config_report_mistake(report, path, 0, fault.text);
    return r;
}

void config_print(const struct config *config, struct buf *buf)
{
    config_keys_print(config_keys, config, 0, buf);
}

static bool same_value(const struct config_key *key, const struct config *a, const struct config *b)
{
    AUTO_BUF struct buf left = BUF_INIT(CONFIG_TEXT_MAX);
    AUTO_BUF struct buf right = BUF_INIT(CONFIG_TEXT_MAX);
    config_key_print(key, a, 0, &left);
    config_key_print(key, b, 0, &right);
    return left.len == right.len && (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}

static unsigned compare(const struct config_key *keys, const char *parent, const struct config *current,
                        const struct config *fresh, struct buf *names)
{
    unsigned count = 0;
    for (; keys->name; keys++) {
        if (keys->type == KEY_MAP)
            count += compare(keys->children, keys->name, current, fresh, names);
        if (keys->type == KEY_MAP || keys->reloadable || keys->standing != KEY_WORKS ||
            same_value(keys, current, fresh))
            continue;
        buf_printf(names, "%s%s%s%s", names->len ? ", " : "", parent ? parent : "", parent ? "." : "",
                   keys->name);
        count++;
    }
    return count;
}

static void swap(void *a, void *b, size_t len)
{
    char kept[sizeof(uint64_t)];
    memcpy(kept, a, len);
    memcpy(a, b, len);
    memcpy(b, kept, len);
}

static void reload_keys(const struct config_key *keys, char *current, char *fresh)
{
    for (; keys->name; keys++) {
        if (keys->type == KEY_MAP)
            reload_keys(keys->children, current, fresh);
        if (keys->type == KEY_MAP || !keys->reloadable)
            continue;
        swap(current + keys->offset, fresh + keys->offset, config_key_size(keys));
        if (keys->type == KEY_LIST)
            swap(current + keys->count_offset, fresh + keys->count_offset, sizeof(size_t));
    }
}

void config_reload(struct config *current, struct config *fresh)
{
    reload_keys(config_keys, (char *)current, (char *)fresh);
}

unsigned config_unreloadable(const struct config *current, const struct config *fresh, struct buf *names)
{
    return compare(config_keys, NULL, current, fresh, names);
}
