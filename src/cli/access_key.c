/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/access_keys.h"
#include "base/file.h"
#include "base/macro.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "daemon/control_client.h"

enum form { FORM_TABLE, FORM_JSON };

struct settings {
    const char *state;
    unsigned form;   /* enum form */
    unsigned rights; /* index into right_names */
};

static const char *const right_names[] = {"manage", "read"};

static const struct option options[] = {
    {.name = "rights",
     .metavar = "manage|read",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, rights),
     .help = "what a new key may do: make and delete flow logs (the default), or only look"},
    ASK_OPTION_STATE(struct settings, state),
    {.name = "as",
     .letter = 'o',
     .metavar = "table|json",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, form),
     .help = "text for people (the default), or JSON"},
    {.name = NULL},
};

static void print_created(struct buf *to, const json_t *key)
{
    buf_printf(to, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", ask_text(key, "id"),
               ask_text(key, "secret"));
}

static void print_list(struct buf *to, const json_t *answer)
{
    static const char *const columns[] = {"ID", "RIGHTS", "CREATED", NULL};
    struct table table CLEANUP(table_done);
    table_init(&table, columns);
    size_t i;
    const json_t *key;
    json_array_foreach(json_object_get(answer, "access-keys"), i, key)
    {
        char created[32];
        time_t seconds = (time_t)json_integer_value(json_object_get(key, "created"));
        struct tm tm;
        (void)gmtime_r(&seconds, &tm);
        (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &tm);
        table_add(&table, (const char *const[]){ask_text(key, "id"), ask_text(key, "rights"), created});
    }
    table_print(&table, table_terminal_width(), to);
}

static void print_revoked(struct buf *to, const json_t *answer)
{
    if (json_integer_value(json_object_get(answer, "left")) == 0)
        buf_text(to, "It was the last one: every user of this host may manage flow logs again.\n");
}

/* What stands behind "access-key", one row each. */
static const struct verb {
    const char *name;
    const char *command; /* of the control socket */
    int operands;
    void (*print)(struct buf *to, const json_t *answer);
} verbs[] = {
    {"create", "create-access-key", 0, print_created},
    {"list", "list-access-keys", 0, print_list},
    {"revoke", "revoke-access-key", 1, print_revoked},
};

/* The daemon's user must be able to read what root writes. */
static void give_to_owner(const char *state)
{
    char path[PATH_MAX];
    struct stat folder;
    (void)snprintf(path, sizeof path, "%s/" ACCESS_KEYS_FILE, state);
    if (geteuid() == 0 && stat(state, &folder) == 0)
        (void)!chown(path, folder.st_uid, folder.st_gid);
}

/* Without a daemon: one that is to listen beyond this host wants a key before it starts. A new object. */
static int create_in_folder(const char *state, const char *rights, json_t **ret, struct fault *fault)
{
    struct access_keys *keys = NULL;
    const json_t *key = NULL;
    int r = file_make_folders(state, 0750, fault);
    if (r == 0)
        r = access_keys_open(&keys, state, fault);
    if (r < 0)
        return r;
    r = access_keys_create(keys, rights, &key, fault);
    if (r == 0) {
        give_to_owner(state);
        *ret = json_deep_copy(key);
    }
    access_keys_close(keys);
    return r;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.state = CONFIG_STATE_DEFAULT};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    const struct verb *verb = operands ? find_verb(argv[0]) : NULL;
    if (!verb || operands != 1 + verb->operands)
        return command_fail(command, EXIT_USAGE, "say create, list, or revoke with one id");
    struct fault fault = {0};
    json_t *answer;
    json_t *request = json_pack("{s:s, s:s, s:s}", "command", verb->command, "rights",
                                right_names[settings.rights], "id", operands > 1 ? argv[1] : "");
    int r = control_request(settings.state, request, &answer, &fault);
    if (r < 0 && ask_exit_status(r) == EXIT_UNREACHABLE && verb->print == print_created) {
        fault = (struct fault){0};
        r = create_in_folder(settings.state, right_names[settings.rights], &answer, &fault);
    }
    if (r < 0)
        return command_fail(command, ask_exit_status(r), "%s", fault.text);
    AUTO_BUF struct buf text = BUF_INIT(ASK_OUTPUT_MAX);
    if (settings.form == FORM_JSON)
        ask_print_json(&text, answer);
    else
        verb->print(&text, answer);
    json_decref(answer);
    return command_print(command, &text);
}

const struct command command_access_key = {
    .name = "access-key",
    .summary = "Make, list and revoke the keys that the API takes",
    .operands = "create|list|revoke [ID]",
    .details =
        "While there is no key, every user of this host may use the daemon's API, with any key. With the "
        "first\n"
        "one, requests must be signed (AWS Signature Version 4, as every AWS client does) with a key made "
        "here.\n"
        "Keys are in the daemon's state folder; a secret is shown once. Revoking takes effect at once. A key "
        "can "
        "be\n"
        "made before the daemon is started.",
    .example = "flowlog access-key create --rights read",
    .outcome = "prints a new key, as the environment that AWS clients read",
    .options = options,
    .run = run,
};
