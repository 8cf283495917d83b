/* SPDX-License-Identifier: Apache-2.0 */

/* A request of the EC2 API, URI and body parted by a newline: refused, or answered, with XML that can be
 * read. */

#include <libxml/parser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/ec2.h"
#include "base/cleanup.h"

#include "harness.h"

static void visit_interfaces(void *context, ec2_interface_visitor *visit, void *visitor)
{
    const struct interface interface = {.identity = {.interface_id = "eni-1", .subnet_id = "subnet-1"}};
    const struct ec2_interface one = {.interface = &interface, .device = "eth0"};
    visit(visitor, &one);
}

static json_t *declared(void *context)
{
    return json_pack("[{s:s, s:s, s:s}]", "flowLogId", "fl-1", "resourceId", "all", "trafficType", "ALL");
}

/* So that nothing is ever made. */
static int check(void *context, const json_t *flow_log, struct fault *fault)
{
    return fault_set(fault, -1, "not here");
}

static const char *delivery_error(void *context, const char *id)
{
    return NULL;
}

static struct flow_log_store *open_store(void)
{
    static struct flow_log_store *store;
    char folder[FOLDER_MAX];
    if (!store) {
        make_folder(folder, "/tmp");
        require(flow_log_store_open(&store, folder, NULL) == 0);
        require(rmdir(folder) == 0); /* an empty store has no file yet */
    }
    return store;
}

static void check_parsed(const struct query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        require(query_find(query, "%.255s", query->parameters[i].name) ||
                strlen(query->parameters[i].name) > 255);
        require(i == 0 || strcmp(query->parameters[i - 1].name, query->parameters[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct topology topology = {.account = (char *)"1", .region = (char *)"r"};
    const struct ec2_host host = {.topology = &topology,
                                  .store = open_store(),
                                  .visit_interfaces = visit_interfaces,
                                  .declared = declared,
                                  .check = check,
                                  .delivery_error = delivery_error};
    AUTO_FREE char *text = malloc(size + 1);
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    char *newline = memchr(text, '\n', size);
    const char *body = newline ? newline + 1 : text + size;
    size_t body_len = (size_t)(text + size - body);
    if (newline)
        *newline = '\0';
    struct query query AUTO_QUERY = {0};
    struct fault fault = {0};
    AUTO_BUF struct buf answer = BUF_INIT(64 << 20);
    int r = query_parse(&query, text, body, body_len, &fault);
    require(r == 0 || fault.text[0]);
    check_parsed(&query);
    json_t *upload;
    unsigned status =
        ec2_answer(&host, r == 0 ? &query : NULL, EC2_READ | EC2_MANAGE, &fault, &upload, &answer);
    json_decref(upload);
    require(status >= 200 && status < 500 && !answer.failed);
    xmlDocPtr document = xmlReadMemory(answer.data, (int)answer.len, NULL, NULL, XML_PARSE_NONET);
    require(document);
    xmlFreeDoc(document);
    return 0;
}
