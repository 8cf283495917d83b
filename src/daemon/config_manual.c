/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_keys.h"

/* Hyphens are minus signs in names to copy, and a leading dot or quote would be a request. */
static void print_troff(struct buf *buf, const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((*c == '.' || *c == '\'') && c == text)
            buf_text(buf, "\\&");
        if (*c == '-')
            buf_text(buf, "\\-");
        else if (*c == '\\')
            buf_text(buf, "\\e");
        else
            buf_char(buf, *c);
    }
}

static void print_facts(const struct config_key *key, struct buf *buf)
{
    AUTO_BUF struct buf allowed = BUF_INIT(4096);
    config_key_print_allowed(key, false, &allowed);
    buf_text(buf, "Allowed: ");
    print_troff(buf, buf_string(&allowed));
    if (key->unit)
        buf_printf(buf, " (%s)", key->unit);
    buf_char(buf, '.');
    if (key->required)
        buf_text(buf, " Required.");
    if (key->default_text && key->default_text[0]) {
        buf_text(buf, " Default: ");
        print_troff(buf, key->default_text);
        buf_char(buf, '.');
    }
    buf_char(buf, '\n');
}

static void print_keys(const struct config_key *keys, const char *parent, bool reloadable, struct buf *buf)
{
    for (; keys->name; keys++) {
        if (keys->standing == KEY_MISSING)
            continue;
        AUTO_BUF struct buf path = BUF_INIT(256);
        buf_printf(&path, "%s%s%s%s", parent, parent[0] ? "." : "", keys->name,
                   keys->type == KEY_LIST ? "[]" : "");
        bool reloads = reloadable || keys->reloadable;
        buf_text(buf, ".TP\n.B ");
        print_troff(buf, buf_string(&path));
        buf_char(buf, '\n');
        print_troff(buf, keys->help);
        buf_char(buf, '\n');
        if (!keys->children)
            print_facts(keys, buf);
        if (!keys->children && reloads)
            buf_text(buf, "A change takes effect on SIGHUP.\n");
        if (keys->children)
            print_keys(keys->children, buf_string(&path), reloads, buf);
    }
}

void config_manual(struct buf *buf)
{
    print_keys(config_keys, "", false, buf);
}
