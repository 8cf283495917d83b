/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define CHAIN_MAX 5 /* profiles that source one another */
#define VALUE_MAX 4096

static int ask_profile(struct source_query *query, const char *profile, unsigned depth, struct key_set *ret,
                       struct fault *fault);

static void name_source(struct source_query *query, const char *kind, const char *name)
{
    (void)snprintf(query->name, sizeof query->name, "%s%s%s", kind, name[0] ? " " : "", name);
}

static int ask_environment(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    const char *access_key = aws_variable("AWS_ACCESS_KEY_ID");
    const char *secret_key = aws_variable("AWS_SECRET_ACCESS_KEY");
    if (!access_key && !secret_key)
        return 0;
    if (!access_key || !secret_key)
        return fault_set(fault, -EINVAL,
                         "environment: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is missing");
    name_source(query, "environment", "");
    int r = key_set_fill(ret, access_key, secret_key, aws_variable("AWS_SESSION_TOKEN"), fault);
    if (r < 0)
        fault_prefix(fault, "environment");
    return r < 0 ? r : 1;
}

static int ask_web_identity(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    const struct role role = {
        .arn = aws_variable("AWS_ROLE_ARN"),
        .session_name = aws_variable("AWS_ROLE_SESSION_NAME"),
        .token_file = aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
    };
    if (!role.arn || !role.token_file)
        return 0;
    int r = source_assume_role(query, &role, NULL, ret, fault);
    return r < 0 ? r : 1;
}

/* Values of one profile, for as long as they are needed. */
enum profile_value {
    PROFILE_ACCESS_KEY,
    PROFILE_SECRET_KEY,
    PROFILE_TOKEN,
    PROFILE_ROLE,
    PROFILE_SOURCE_PROFILE,
    PROFILE_CREDENTIAL_SOURCE,
    PROFILE_TOKEN_FILE,
    PROFILE_SESSION_NAME,
    PROFILE_EXTERNAL_ID,
    PROFILE_DURATION,
    PROFILE_MFA,
    PROFILE_PROCESS,
    PROFILE_SSO_SESSION,
    PROFILE_SSO_URL,
    PROFILE_VALUES,
};

static const char *const profile_keys[PROFILE_VALUES] = {
    [PROFILE_ACCESS_KEY] = "aws_access_key_id",
    [PROFILE_SECRET_KEY] = "aws_secret_access_key",
    [PROFILE_TOKEN] = "aws_session_token",
    [PROFILE_ROLE] = "role_arn",
    [PROFILE_SOURCE_PROFILE] = "source_profile",
    [PROFILE_CREDENTIAL_SOURCE] = "credential_source",
    [PROFILE_TOKEN_FILE] = "web_identity_token_file",
    [PROFILE_SESSION_NAME] = "role_session_name",
    [PROFILE_EXTERNAL_ID] = "external_id",
    [PROFILE_DURATION] = "duration_seconds",
    [PROFILE_MFA] = "mfa_serial",
    [PROFILE_PROCESS] = "credential_process",
    [PROFILE_SSO_SESSION] = "sso_session",
    [PROFILE_SSO_URL] = "sso_start_url",
};

struct profile_values {
    struct buf bufs[PROFILE_VALUES];
    const char *texts[PROFILE_VALUES]; /* NULL: not given */
};

static void profile_values_read(struct profile_values *values, const struct profiles *profiles,
                                const char *profile)
{
    for (unsigned i = 0; i < PROFILE_VALUES; i++) {
        values->bufs[i] = BUF_INIT(VALUE_MAX);
        bool given = profiles_get(profiles, profile, profile_keys[i], &values->bufs[i]);
        const char *text = given ? buf_string(&values->bufs[i]) : NULL;
        values->texts[i] = text && text[0] ? text : NULL;
    }
}

static void profile_values_done(struct profile_values *values)
{
    for (unsigned i = 0; i < PROFILE_VALUES; i++)
        buf_wipe(&values->bufs[i]);
}

static int ask_named_source(struct source_query *query, const char *source, struct key_set *ret,
                            struct fault *fault)
{
    static const struct {
        const char *name;
        int (*ask)(struct source_query *query, struct key_set *ret, struct fault *fault);
    } sources[] = {
        {"Environment", ask_environment},
        {"EcsContainer", source_ask_container},
        {"Ec2InstanceMetadata", source_ask_instance},
    };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (strcmp(source, sources[i].name) != 0)
            continue;
        int r = sources[i].ask(query, ret, fault);
        return r != 0 ? r : fault_set(fault, -ENOENT, "credential_source %s has no credentials", source);
    }
    return fault_set(
        fault, -EINVAL,
        "credential_source: expected Environment, EcsContainer or Ec2InstanceMetadata, found '%s'", source);
}

static int fill_static(struct source_query *query, const struct profile_values *values, const char *profile,
                       struct key_set *ret, struct fault *fault)
{
    name_source(query, "profile", profile);
    int r = key_set_fill(ret, values->texts[PROFILE_ACCESS_KEY], values->texts[PROFILE_SECRET_KEY],
                         values->texts[PROFILE_TOKEN], fault);
    return r < 0 ? r : 1;
}

/* Credentials that may assume the profile's role. A profile that names itself means its own keys. */
static int ask_base(struct source_query *query, const struct profile_values *values, const char *profile,
                    unsigned depth, struct key_set *ret, struct fault *fault)
{
    const char *source_profile = values->texts[PROFILE_SOURCE_PROFILE];
    if (values->texts[PROFILE_CREDENTIAL_SOURCE])
        return ask_named_source(query, values->texts[PROFILE_CREDENTIAL_SOURCE], ret, fault);
    if (!source_profile)
        return fault_set(fault, -EINVAL,
                         "role_arn needs source_profile, credential_source or web_identity_token_file");
    if (strcmp(source_profile, profile) == 0) {
        if (!values->texts[PROFILE_ACCESS_KEY] || !values->texts[PROFILE_SECRET_KEY])
            return fault_set(fault, -EINVAL, "source_profile is the profile itself, which has no keys");
        return fill_static(query, values, profile, ret, fault);
    }
    int r = ask_profile(query, source_profile, depth + 1, ret, fault);
    return r != 0 ? r : fault_set(fault, -ENOENT, "source_profile '%s' has no credentials", source_profile);
}

static int ask_profile_role(struct source_query *query, const struct profile_values *values,
                            const char *profile, unsigned depth, struct key_set *ret, struct fault *fault)
{
    const char *duration = values->texts[PROFILE_DURATION];
    struct role role = {
        .arn = values->texts[PROFILE_ROLE],
        .session_name = values->texts[PROFILE_SESSION_NAME],
        .external_id = values->texts[PROFILE_EXTERNAL_ID],
        .token_file = values->texts[PROFILE_TOKEN_FILE],
    };
    AUTO_KEY_SET struct key_set base = {0};
    if (values->texts[PROFILE_MFA])
        return fault_set(fault, -ENOTSUP, "mfa_serial: a service cannot be asked for a code");
    if (duration && !num_parse_u64(duration, strlen(duration), 43200, &role.seconds))
        return fault_set(fault, -EINVAL, "duration_seconds: expected a number up to 43200, found '%s'",
                         duration);
    int r = role.token_file ? 0 : ask_base(query, values, profile, depth, &base, fault);
    if (r >= 0)
        r = source_assume_role(query, &role, role.token_file ? NULL : &base, ret, fault);
    return r < 0 ? r : 1;
}

static int ask_profile_values(struct source_query *query, const struct profile_values *values,
                              const char *profile, unsigned depth, struct key_set *ret, struct fault *fault)
{
    if (depth == CHAIN_MAX)
        return fault_set(fault, -ELOOP, "more than %d profiles source one another", CHAIN_MAX);
    if (values->texts[PROFILE_ROLE])
        return ask_profile_role(query, values, profile, depth, ret, fault);
    if (values->texts[PROFILE_ACCESS_KEY] && values->texts[PROFILE_SECRET_KEY])
        return fill_static(query, values, profile, ret, fault);
    if (values->texts[PROFILE_ACCESS_KEY] || values->texts[PROFILE_SECRET_KEY])
        return fault_set(fault, -EINVAL, "of aws_access_key_id and aws_secret_access_key one is missing");
    if (values->texts[PROFILE_PROCESS]) {
        name_source(query, "process of profile", profile);
        return source_ask_process(query, values->texts[PROFILE_PROCESS], ret, fault);
    }
    if (values->texts[PROFILE_SSO_SESSION] || values->texts[PROFILE_SSO_URL])
        return fault_set(fault, -ENOTSUP, "single sign-on needs a person: give keys or a role");
    return 0;
}

static int ask_profile(struct source_query *query, const char *profile, unsigned depth, struct key_set *ret,
                       struct fault *fault)
{
    CLEANUP(profile_values_done) struct profile_values values = {0};
    bool is_default = strcmp(profile, "default") == 0;
    if (!is_default && !profiles_have(&query->profiles, profile))
        return fault_set(fault, -ENOENT, "profile '%s' is in no file of the AWS command line", profile);
    profile_values_read(&values, &query->profiles, profile);
    int r = ask_profile_values(query, &values, profile, depth, ret, fault);
    if (r < 0)
        fault_prefix(fault, "profile %s", profile);
    return r;
}

static int ask_chosen_profile(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    return ask_profile(query, aws_profile_name(query->settings), 0, ret, fault);
}

/* In the SDKs' order. */
static int (*const sources[])(struct source_query *query, struct key_set *ret, struct fault *fault) = {
    ask_environment, ask_web_identity, ask_chosen_profile, source_ask_container, source_ask_instance,
};

static int ask_all(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        /* Who names a profile means it, and not what happens to be in the environment. */
        if (query->settings->profile && (sources[i] == ask_environment || sources[i] == ask_web_identity))
            continue;
        int r = sources[i](query, ret, fault);
        if (r != 0)
            return r;
    }
    return fault_set(
        fault, -ENOENT,
        "no AWS credentials: none in the environment, in profile %s, at a container endpoint or in "
        "instance metadata",
        aws_profile_name(query->settings));
}

int source_find(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    AUTO_KEY_SET struct key_set set = {0};
    int r = ask_all(query, &set, fault);
    if (r < 0)
        return r;
    if (query->settings->role_arn) {
        const struct role role = {.arn = query->settings->role_arn,
                                  .external_id = query->settings->external_id};
        r = source_assume_role(query, &role, &set, &set, fault);
        if (r < 0)
            return r;
    }
    key_set_move(ret, &set);
    return 0;
}
