/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "nftrace/follow.h"

#define LISTING_MAX (64UL * 1024 * 1024)
#define CHUNK 65536

/* What nft takes for a name. All else would be read as words of its language. */
static bool is_plain_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    return name[0] && strchr(letters, name[0]) && name[strspn(name, others)] == '\0';
}

static int spawn(char *const arguments[], int output, pid_t *ret)
{
    static const char *const programs[] = {"nft", "/usr/sbin/nft", "/sbin/nft"}; /* sbin may not be in PATH */
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(programs); i++) {
        r = posix_spawnp(ret, programs[i], &actions, NULL, arguments, environ);
        if (r != ENOENT)
            break;
        r = i + 1 < ARRAY_SIZE(programs) ? 0 : ENOENT;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int read_all(int fd, struct buf *ret)
{
    for (;;) {
        char *room = buf_reserve(ret, CHUNK);
        ssize_t len = room ? read(fd, room, CHUNK) : 0;
        if (!room)
            return -EFBIG;
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return -errno;
        if (len == 0)
            return 0;
        ret->len += (size_t)len;
    }
}

static int run(char *const arguments[], struct buf *ret)
{
    int ends[2] = {-1, -1};
    pid_t child = -1;
    int status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    AUTO_CLOSE int output = ends[0];
    int r = spawn(arguments, ends[1], &child);
    close(ends[1]);
    if (r < 0)
        return r;
    r = read_all(output, ret);
    cleanup_close(&output); /* a child with more to say ends by it */
    output = -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return -EIO;
    return r;
}

/* One more line of a rule: long sets are broken. */
static void append_line(struct buf *rule, const char *line, size_t len)
{
    size_t blanks = strspn(line, "\t ");
    if (blanks >= len)
        return;
    if (rule->len)
        buf_char(rule, ' ');
    buf_append(rule, line + blanks, len - blanks);
}

/* Rules stand behind two tabs, what goes on in the next line behind more. */
bool listing_pick_rule(const char *listing, uint64_t handle, struct buf *ret)
{
    char mark[40];
    size_t mark_len = (size_t)snprintf(mark, sizeof mark, " # handle %" PRIu64, handle);
    for (const char *line = listing; *line;) {
        size_t len = strcspn(line, "\n");
        bool is_rule = len > 2 && memcmp(line, "\t\t", 2) == 0;
        if (!is_rule || (line[2] != '\t' && line[2] != ' '))
            buf_clear(ret);
        if (is_rule)
            append_line(ret, line, len);
        if (ret->len > mark_len && memcmp(ret->data + ret->len - mark_len, mark, mark_len) == 0) {
            ret->len -= mark_len;
            return !ret->failed;
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

int listing_find_rule(uint8_t family, const char *table, const char *chain, uint64_t handle, struct buf *ret,
                      struct fault *fault)
{
    AUTO_BUF struct buf listing = BUF_INIT(LISTING_MAX);
    if (!is_plain_name(table) || !is_plain_name(chain))
        return fault_set(fault, -EINVAL, "nft cannot list a chain of that name");
    const char *const arguments[] = {"nft", "-a",  "list", "chain", nftrace_family_name(family),
                                     table, chain, NULL};
    int r = run((char *const *)(uintptr_t)arguments, &listing);
    if (r == -ENOENT)
        return fault_set(fault, r, "the program nft is not there to list it");
    if (r < 0)
        return fault_set(fault, r, "nft did not list it: %s", strerror(-r));
    return listing_pick_rule(buf_string(&listing), handle, ret)
               ? 0
               : fault_set(fault, -ENOENT, "the rule is not there any more");
}

/* Words of the rule itself; not of comments and prefixes, which stand in quotes. */
bool listing_rejects(const char *rule)
{
    bool quoted = false;
    static const char word[] = "reject";
    for (const char *at = rule; *at; at++) {
        if (*at == '"')
            quoted = !quoted;
        bool begins = at == rule || at[-1] == ' ';
        if (!quoted && begins && strncmp(at, word, sizeof word - 1) == 0 &&
            (at[sizeof word - 1] == ' ' || at[sizeof word - 1] == '\0'))
            return true;
    }
    return false;
}
