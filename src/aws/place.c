/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/place.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FALLBACK_REGION "us-east-1" /* what servers that know no regions expect */
#define VALUE_MAX 4096

const char *aws_variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

const char *aws_profile_name(const struct aws_settings *settings)
{
    if (settings->profile)
        return settings->profile;
    const char *name = aws_variable("AWS_PROFILE");
    return name ? name : "default";
}

/* The first of: what the settings say, the variables, the profile's key; NULL when none does. */
static const char *find_value(const char *said, const char *const variables[2], const char *key,
                              const struct aws_settings *settings, const struct profiles *profiles,
                              struct buf *room)
{
    const char *value = said;
    for (unsigned i = 0; i < 2 && !value; i++)
        value = variables[i] ? aws_variable(variables[i]) : NULL;
    if (!value && profiles_get(profiles, aws_profile_name(settings), key, room))
        value = buf_string(room);
    return value && value[0] ? value : NULL;
}

static bool is_true(const char *value)
{
    return value && strcasecmp(value, "true") == 0;
}

/* AWS_ENDPOINT_URL_LOGS, then AWS_ENDPOINT_URL, then the profile's. */
static const char *find_endpoint(const struct aws_settings *settings, const struct profiles *profiles,
                                 struct buf *room)
{
    char variable[64];
    AUTO_BUF struct buf ignore = BUF_INIT(VALUE_MAX);
    int len = snprintf(variable, sizeof variable, "AWS_ENDPOINT_URL_%s", settings->service);
    for (int i = 0; i < len; i++)
        variable[i] = (char)toupper((unsigned char)variable[i]);
    if (settings->endpoint)
        return settings->endpoint;
    const char *const ignored[2] = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", NULL};
    if (is_true(find_value(NULL, ignored, "ignore_configured_endpoint_urls", settings, profiles, &ignore)))
        return NULL;
    const char *const variables[2] = {variable, "AWS_ENDPOINT_URL"};
    return find_value(NULL, variables, "endpoint_url", settings, profiles, room);
}

static void find_region(const struct aws_settings *settings, const struct profiles *profiles, bool is_custom,
                        struct aws_place *ret)
{
    static const char *const variables[2] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    AUTO_BUF struct buf room = BUF_INIT(VALUE_MAX);
    const char *region = settings->region;
    if (!region || !endpoint_is_region(region)) {
        const char *other = find_value(NULL, variables, "region", settings, profiles, &room);
        if (other)
            region = other;
        else if (!region && is_custom)
            region = FALLBACK_REGION;
    }
    (void)snprintf(ret->region, sizeof ret->region, "%s", region ? region : "");
}

int aws_place_resolve(struct aws_place *ret, const struct aws_settings *settings,
                      const struct profiles *profiles, struct fault *fault)
{
    static const char *const fips[2] = {"AWS_USE_FIPS_ENDPOINT", NULL};
    static const char *const dual_stack[2] = {"AWS_USE_DUALSTACK_ENDPOINT", NULL};
    static const char *const bundles[2] = {"AWS_CA_BUNDLE", NULL};
    AUTO_BUF struct buf room = BUF_INIT(VALUE_MAX);
    AUTO_BUF struct buf other = BUF_INIT(VALUE_MAX);
    struct aws_place place = {0};
    const char *url = find_endpoint(settings, profiles, &room);
    find_region(settings, profiles, url != NULL, &place);
    int r;
    if (url) {
        r = endpoint_parse_url(&place.endpoint, url, fault);
    } else {
        bool use_fips = settings->use_fips ||
                        is_true(find_value(NULL, fips, "use_fips_endpoint", settings, profiles, &other));
        bool use_dual_stack =
            is_true(find_value(NULL, dual_stack, "use_dualstack_endpoint", settings, profiles, &other));
        r = endpoint_resolve(&place.endpoint, settings->service, place.region, use_fips, use_dual_stack,
                             fault);
    }
    if (r == 0 && settings->bucket)
        r = endpoint_add_bucket(&place.endpoint, settings->bucket, settings->addressing, fault);
    if (r < 0)
        return r;
    const char *bundle = find_value(settings->ca_bundle, bundles, "ca_bundle", settings, profiles, &other);
    (void)snprintf(place.ca_bundle, sizeof place.ca_bundle, "%s", bundle ? bundle : "");
    *ret = place;
    return 0;
}
