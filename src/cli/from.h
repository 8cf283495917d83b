/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What commands share that read records: the options that say where from and of which time. */

#include <limits.h>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "daemon/config.h"
#include "store/flow_session.h"
#include "store/sources.h"

struct from_settings {
    struct option_list from;
    const char *input_format;
    const char *since;
    const char *until;
    const char *state;
    const char *endpoint;
    const char *region;
    bool local_time;
};

#define FROM_OPTION(option, what, kind_of, settings, member, words)                                          \
    {                                                                                                        \
        .name = option, .metavar = what, .kind = kind_of, .offset = offsetof(settings, member),              \
        .help = words                                                                                        \
    }

/* Rows of options that commands share, whose values go to `member` of `settings`. */
#define INPUT_FORMAT_OPTION(settings, member)                                                                \
    FROM_OPTION("input-format", "FORMAT", OPTION_TEXT, settings, member,                                     \
                "fields of lines that no header line precedes; default: default")
#define ENDPOINT_OPTION(settings, member)                                                                    \
    FROM_OPTION("endpoint", "URL", OPTION_TEXT, settings, member,                                            \
                "address of S3 and CloudWatch Logs; default: as AWS's tools find it")
#define REGION_OPTION(settings, member)                                                                      \
    FROM_OPTION("region", "REGION", OPTION_TEXT, settings, member,                                           \
                "region of S3 and CloudWatch Logs; default: likewise")
#define STRICT_OPTION(settings, member)                                                                      \
    FROM_OPTION("strict", NULL, OPTION_FLAG, settings, member, "exit with 1 when a line was bad")
#define WHERE_OPTION(settings, member)                                                                       \
    FROM_OPTION("where", "SQL", OPTION_TEXT, settings, member,                                               \
                "only records that meet this condition, as in \"action = 'REJECT' AND dstport = 22\"")
#define POLICY_DOCUMENTS                                                                                     \
    "folder of the AWS documents: what aws ec2 describe-... printed, in files that end in .json"
#define POLICY_OPTION(settings, member)                                                                      \
    FROM_OPTION("policy", "DIR", OPTION_TEXT, settings, member, POLICY_DOCUMENTS)

/* The rows of a struct from_settings, the member `member` of `settings`. */
#define FROM_OPTIONS(settings, member)                                                                       \
    FROM_OPTION("from", "SOURCE", OPTION_LIST, settings, member.from,                                        \
                "records: a file, a folder, a glob in quotes, - (standard input), s3://BUCKET/PREFIX or "    \
                "cloudwatch:LOG-GROUP; given again, the next; default: the daemon's store"),                 \
        INPUT_FORMAT_OPTION(settings, member.input_format),                                                  \
        FROM_OPTION("since", "TIME", OPTION_TEXT, settings, member.since,                                    \
                    "leave out records that end before: 2026-01-31T12:00:00Z, seconds since the epoch, or "  \
                    "15m, 2h, 7d ago; files and folders named after earlier times are not opened"),          \
        FROM_OPTION("until", "TIME", OPTION_TEXT, settings, member.until,                                    \
                    "leave out records that start after"),                                                   \
        FROM_OPTION("local-time", NULL, OPTION_FLAG, settings, member.local_time,                            \
                    "times are of this host's time zone, not UTC"),                                          \
        ENDPOINT_OPTION(settings, member.endpoint), REGION_OPTION(settings, member.region),                  \
        FROM_OPTION("state", "DIR", OPTION_TEXT, settings, member.state,                                     \
                    "the daemon's state folder, where its store is; default: " CONFIG_STATE_DEFAULT)

/* Opened by from_open(). */
struct from {
    const struct command *command; /* for messages */
    struct sources *sources;
    struct format input_format;
    bool has_input_format;
    uint64_t since_s, until_s;
    bool local_time;
    struct progress progress;
    struct flow_session *session; /* that progress is shown of, borrowed */
};

/* -EINVAL for options that cannot be understood. What cannot be read is told on standard
 * error. */
int from_open(struct from *ret, const struct command *command, const struct from_settings *settings,
              struct fault *fault) MUST_USE;
/* The same of other paths than those of --from; none: the store. */
int from_open_paths(struct from *ret, const struct command *command, const struct from_settings *settings,
                    const char *const *paths, size_t count, struct fault *fault) MUST_USE;
void from_close(struct from *from);

/* The store of the daemon with that state folder (NULL: the default): where it says that it is, which is the
 * folder "store" of the state folder where it says nothing. */
int from_find_store(const char *state, char ret[static PATH_MAX], struct fault *fault) MUST_USE;

/* The time that `text` names, written as --`option`; NULL leaves *ret as it is. */
int from_read_time(const struct from_settings *settings, const char *option, const char *text, uint64_t *ret,
                   struct fault *fault) MUST_USE;

/* A session over them. `where` may be NULL. */
int from_open_session(struct flow_session **ret, struct from *from, const char *where,
                      struct fault *fault) MUST_USE;

/* A question in SQL over them, whose rows are printed. */
struct from_question {
    const struct command *command;
    const struct from_settings *from;
    const char *where; /* NULL: all records */
    const char *sql;
    struct rows_options rows;
};

/*
 * Opens, asks, prints, tells what could not be read. The exit status: EXIT_NO without a row,
 * EXIT_USAGE for SQL that does not parse or bind, EXIT_DATA when something could not be read,
 * though the rest is answered.
 */
int from_answer(const struct from_question *question);
