/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/profile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

struct view {
    const char *text;
    size_t len;
};

static const char blanks[] = " \t\r";

static struct view trim(struct view view)
{
    while (view.len && strchr(blanks, view.text[0])) {
        view.text++;
        view.len--;
    }
    while (view.len && strchr(blanks, view.text[view.len - 1]))
        view.len--;
    return view;
}

static bool is_text(struct view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.text, text, view.len) == 0;
}

static struct view unquote(struct view view)
{
    if (view.len >= 2 && (view.text[0] == '"' || view.text[0] == '\'') &&
        view.text[view.len - 1] == view.text[0])
        return (struct view){view.text + 1, view.len - 2};
    return view;
}

/* Whether "[…]" opens the profile. */
static bool is_section_of(struct view line, enum profile_file_kind kind, const char *profile)
{
    static const char word[] = "profile";
    const char *close = memchr(line.text, ']', line.len);
    if (!close)
        return false;
    struct view name = trim((struct view){line.text + 1, (size_t)(close - line.text) - 1});
    if (kind == PROFILE_FILE_CREDENTIALS)
        return is_text(unquote(name), profile);
    if (name.len > sizeof word && memcmp(name.text, word, sizeof word - 1) == 0 &&
        strchr(blanks, name.text[sizeof word - 1])) {
        struct view rest = {name.text + sizeof word, name.len - sizeof word};
        return is_text(unquote(trim(rest)), profile);
    }
    return strcmp(profile, "default") == 0 && is_text(name, "default");
}

static bool take_value(struct view line, const char *key, struct buf *ret)
{
    const char *equals = memchr(line.text, '=', line.len);
    if (!equals)
        return false;
    struct view name = trim((struct view){line.text, (size_t)(equals - line.text)});
    if (name.len != strlen(key) || strncasecmp(name.text, key, name.len) != 0)
        return false;
    struct view value = trim((struct view){equals + 1, line.len - (size_t)(equals + 1 - line.text)});
    buf_clear(ret);
    buf_append(ret, value.text, value.len);
    return true;
}

bool profile_find(const char *text, size_t len, enum profile_file_kind kind, const char *profile,
                  const char *key, struct buf *ret)
{
    bool inside = false;
    bool found = false;
    while (len) {
        const char *newline = memchr(text, '\n', len);
        struct view line = {text, newline ? (size_t)(newline - text) : len};
        bool is_continued = line.len && strchr(" \t", line.text[0]);
        text += line.len;
        len -= line.len;
        if (len) {
            text++;
            len--;
        }
        if (is_continued || line.len == 0 || strchr("#;", line.text[0]))
            continue;
        if (line.text[0] == '[') {
            inside = is_section_of(line, kind, profile);
            found |= inside && !key;
        } else if (inside && key) {
            found |= take_value(line, key, ret);
        }
    }
    return found;
}

/* "~" is the home folder, as in the shell. -ENOENT without one. */
static int print_path(const char *variable, const char *name, char path[PATH_MAX])
{
    const char *home = getenv("HOME");
    const char *given = getenv(variable);
    bool in_home = !given || !given[0] || (given[0] == '~' && given[1] == '/');
    if (in_home && (!home || !home[0]))
        return -ENOENT;
    const char *rest = given && given[0] ? given + (in_home ? 1 : 0) : name;
    int len = snprintf(path, PATH_MAX, "%s%s", in_home ? home : "", rest);
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_one(const char *variable, const char *name, struct buf *buf, struct fault *fault)
{
    char path[PATH_MAX];
    struct fault said;
    *buf = BUF_INIT(PROFILE_FILE_MAX);
    int r = print_path(variable, name, path);
    if (r == 0)
        r = file_read(path, buf, &said);
    else
        (void)fault_set(&said, r, "%s: path too long", variable);
    if (r == 0 || r == -ENOENT || r == -ENOTDIR)
        return 0;
    return fault_set(fault, r, "%s", said.text);
}

int profiles_read(struct profiles *ret, struct fault *fault)
{
    struct profiles profiles = {0};
    int r = read_one("AWS_CONFIG_FILE", "/.aws/config", &profiles.files[PROFILE_FILE_CONFIG], fault);
    if (r == 0)
        r = read_one("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials",
                     &profiles.files[PROFILE_FILE_CREDENTIALS], fault);
    if (r < 0)
        profiles_done(&profiles);
    else
        *ret = profiles;
    return r;
}

void profiles_done(struct profiles *profiles)
{
    for (size_t i = 0; i < ARRAY_SIZE(profiles->files); i++)
        buf_wipe(&profiles->files[i]);
}

static bool find_in(const struct profiles *profiles, enum profile_file_kind kind, const char *profile,
                    const char *key, struct buf *ret)
{
    const struct buf *file = &profiles->files[kind];
    return file->len && profile_find(file->data, file->len, kind, profile, key, ret);
}

bool profiles_have(const struct profiles *profiles, const char *profile)
{
    return find_in(profiles, PROFILE_FILE_CREDENTIALS, profile, NULL, NULL) ||
           find_in(profiles, PROFILE_FILE_CONFIG, profile, NULL, NULL);
}

bool profiles_get(const struct profiles *profiles, const char *profile, const char *key, struct buf *ret)
{
    return find_in(profiles, PROFILE_FILE_CREDENTIALS, profile, key, ret) ||
           find_in(profiles, PROFILE_FILE_CONFIG, profile, key, ret);
}
