/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

/* AWS's partitions, the more specific prefixes first; regions are PREFIX-WORD-NUMBER. */
static const struct partition {
    const char *name;
    const char *prefixes; /* with spaces around each */
    const char *suffix;
    const char *dual_suffix;
    bool s3_fips;
} partitions[] = {
    {"aws-us-gov", " us-gov- ", "amazonaws.com", "api.aws", true},
    {"aws-iso", " us-iso- ", "c2s.ic.gov", "api.aws.ic.gov", true},
    {"aws-iso-b", " us-isob- ", "sc2s.sgov.gov", "api.aws.scloud", true},
    {"aws-iso-e", " eu-isoe- ", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", true},
    {"aws-iso-f", " us-isof- ", "csp.hci.ic.gov", "api.aws.hci.ic.gov", true},
    {"aws-cn", " cn- ", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"aws-eusc", " eusc-de- ", "amazonaws.eu", "api.amazonwebservices.eu", true},
    {"aws", " us- eu- ap- sa- ca- me- af- il- mx- ", "amazonaws.com", "api.aws", true},
};

/* Services whose FIPS endpoints of aws-us-gov are their ordinary ones. */
static const char *const gov_is_fips[] = {"logs", "sts"};

/* "central-1": letters, then a number. */
static bool is_area(const char *text)
{
    size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    size_t digits = letters && text[letters] == '-' ? strspn(text + letters + 1, "0123456789") : 0;
    return digits > 0 && text[letters + 1 + digits] == '\0' && letters < 20 && digits < 3;
}

static const struct partition *find_partition(const char *region)
{
    for (size_t i = 0; i < ARRAY_SIZE(partitions); i++) {
        const char *prefix = partitions[i].prefixes + 1;
        while (*prefix) {
            size_t len = strcspn(prefix, " ");
            if (strncmp(region, prefix, len) == 0 && is_area(region + len))
                return &partitions[i];
            prefix += len + 1;
        }
    }
    return NULL;
}

bool endpoint_is_region(const char *region)
{
    return find_partition(region) != NULL;
}

const char *endpoint_partition(const char *region)
{
    const struct partition *partition = find_partition(region);
    return partition ? partition->name : "aws";
}

static bool is_fips_already(const char *service, const struct partition *partition, bool use_dual_stack)
{
    if (use_dual_stack || strcmp(partition->name, "aws-us-gov") != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(gov_is_fips); i++)
        if (strcmp(service, gov_is_fips[i]) == 0)
            return true;
    return false;
}

int endpoint_resolve(struct endpoint *ret, const char *service, const char *region, bool use_fips,
                     bool use_dual_stack, struct fault *fault)
{
    const struct partition *partition = find_partition(region);
    bool is_s3 = strcmp(service, "s3") == 0;
    struct endpoint endpoint = {.scheme = "https"};
    if (!region[0])
        return fault_set(fault, -EINVAL, "no region is given: name one, also by AWS_REGION, or an endpoint");
    if (!partition)
        return fault_set(fault, -EINVAL,
                         "'%s' is no region of AWS: give the destination's region, or an endpoint", region);
    if (use_fips && is_s3 && !partition->s3_fips)
        return fault_set(fault, -EINVAL, "S3 has no FIPS endpoint in region %s", region);
    bool add_fips = use_fips && !is_fips_already(service, partition, use_dual_stack);
    (void)snprintf(endpoint.host, sizeof endpoint.host, "%s%s%s.%s.%s", service, add_fips ? "-fips" : "",
                   is_s3 && use_dual_stack ? ".dualstack" : "", region,
                   use_dual_stack && !is_s3 ? partition->dual_suffix : partition->suffix);
    *ret = endpoint;
    return 0;
}

/* What may stand in a host with its port; an IPv6 address in brackets. */
static bool is_host(const char *text, size_t len)
{
    const char *close = text[0] == '[' ? memchr(text, ']', len) : NULL;
    size_t host = close ? (size_t)(close + 1 - text) : 0;
    if (text[0] == '[') {
        if (host < 4 || strspn(text + 1, "0123456789abcdefABCDEF:.") != host - 2)
            return false;
    } else {
        while (host < len && (isalnum((unsigned char)text[host]) || strchr("-._", text[host])))
            host++;
    }
    uint64_t port = 1;
    bool has_port = host < len && text[host] == ':';
    if (has_port && !num_parse_u64(text + host + 1, len - host - 1, 65535, &port))
        return false;
    return host > 0 && host <= ENDPOINT_HOST_MAX && port > 0 && (has_port || host == len);
}

/* Leaves out a port that the scheme implies, as clients do in the Host header that is signed. */
static size_t without_default_port(const char *host, size_t len, bool is_secure)
{
    const char *port = is_secure ? ":443" : ":80";
    size_t port_len = strlen(port);
    return len > port_len && memcmp(host + len - port_len, port, port_len) == 0 ? len - port_len : len;
}

static bool is_plain_path(const char *path)
{
    for (; *path; path++)
        if (!isalnum((unsigned char)*path) && !strchr("/-._~", *path))
            return false;
    return true;
}

int endpoint_parse_url(struct endpoint *ret, const char *url, struct fault *fault)
{
    struct endpoint endpoint = {.custom = true};
    bool is_secure = strncmp(url, "https://", 8) == 0;
    const char *host = url + (is_secure ? 8 : 7);
    if (!is_secure && strncmp(url, "http://", 7) != 0)
        return fault_set(fault, -EINVAL,
                         "'%s' is no endpoint: expected http://HOST[:PORT] or https://HOST[:PORT]", url);
    size_t len = strcspn(host, "/");
    const char *path = host + len;
    size_t path_len = strlen(path);
    while (path_len && path[path_len - 1] == '/')
        path_len--;
    if (!is_host(host, len) || path_len >= sizeof endpoint.path || !is_plain_path(path))
        return fault_set(fault, -EINVAL,
                         "'%s' is no endpoint: expected http://HOST[:PORT] or https://HOST[:PORT]", url);
    (void)snprintf(endpoint.scheme, sizeof endpoint.scheme, "%s", is_secure ? "https" : "http");
    len = without_default_port(host, len, is_secure);
    (void)snprintf(endpoint.host, sizeof endpoint.host, "%.*s", (int)len, host);
    (void)snprintf(endpoint.path, sizeof endpoint.path, "%.*s", (int)path_len, path);
    *ret = endpoint;
    return 0;
}

bool endpoint_is_bucket_name(const char *bucket)
{
    size_t len = strlen(bucket);
    return len >= 3 && len <= 63 && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
           isalnum((unsigned char)bucket[0]) && isalnum((unsigned char)bucket[len - 1]) &&
           !strstr(bucket, "..");
}

int endpoint_add_bucket(struct endpoint *endpoint, const char *bucket, enum endpoint_addressing addressing,
                        struct fault *fault)
{
    /* A certificate for *.s3.REGION.… does not cover a name with more dots. */
    bool fits = endpoint_is_bucket_name(bucket) && (endpoint->scheme[4] == '\0' || !strchr(bucket, '.'));
    bool is_virtual = addressing == ENDPOINT_ADDRESSING_VIRTUAL ||
                      (addressing == ENDPOINT_ADDRESSING_AUTO && !endpoint->custom && fits);
    struct endpoint made = *endpoint;
    int len;
    if (is_virtual && !fits)
        return fault_set(fault, -EINVAL, "bucket '%s' cannot be part of a host name: use path addressing",
                         bucket);
    if (is_virtual)
        len = snprintf(made.host, sizeof made.host, "%s.%s", bucket, endpoint->host);
    else
        len = snprintf(made.path, sizeof made.path, "%s/%s", endpoint->path, bucket);
    if ((size_t)len >= (is_virtual ? sizeof made.host : sizeof made.path))
        return fault_set(fault, -EINVAL, "bucket '%s': its address is too long", bucket);
    *endpoint = made;
    return 0;
}
