/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/troff.h"
#include "daemon/config.h"
#include "daemon/config_keys.h"

static void print_facts(const struct config_key *key, struct buf *buf)
{
    AUTO_BUF struct buf allowed = BUF_INIT(4096);
    config_key_print_allowed(key, false, &allowed);
    buf_text(buf, ".br\nAllowed: ");
    troff_text(buf, allowed.data, allowed.len);
    if (key->unit)
        buf_printf(buf, " (%s)", key->unit);
    if (allowed.len && allowed.data[allowed.len - 1] != '.')
        buf_char(buf, '.');
    if (key->required)
        buf_text(buf, " Required.");
    if (key->default_text && key->default_text[0]) {
        buf_text(buf, " Default: ");
        troff_text(buf, key->default_text, strlen(key->default_text));
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
        troff_line(buf, buf_string(&path));
        troff_line(buf, keys->help);
        if (!keys->children)
            print_facts(keys, buf);
        if (!keys->children && reloads && keys->standing == KEY_WORKS)
            buf_text(buf, "A change takes effect on SIGHUP.\n");
        if (keys->children)
            print_keys(keys->children, buf_string(&path), reloads, buf);
    }
}

void config_manual(struct buf *buf)
{
    print_keys(config_keys, "", false, buf);
}
