/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ec2_queries.h"

#include <string.h>

#define TABLE " FROM %s "
#define TOP_50(what, columns)                                                                                \
    "SELECT " columns ", SUM(" what ") AS total_" what TABLE "WHERE log_status = 'OK' GROUP BY " columns     \
    " ORDER BY total_" what " DESC LIMIT 50"
#define CONNECTIONS                                                                                          \
    "SELECT srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes, start, \"end\", action"
#define CONNECTION_FIELDS "srcaddr dstaddr srcport dstport protocol packets bytes start end action"

const struct ec2_named_query ec2_named_queries[] = {
    {"VpcFlowLogsAcceptedTraffic", "TCP connections that were let through", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE action = 'ACCEPT' AND protocol = 6 ORDER BY start"},
    {"VpcFlowLogsAdminPortTraffic", "The 10 addresses with most traffic on administrative ports",
     "srcaddr dstport bytes",
     "SELECT srcaddr, dstport, SUM(bytes) AS total_bytes" TABLE
     "WHERE dstport IN (22, 23, 3389, 5900, 5985, 5986, 8080, 8443, 10000) GROUP BY srcaddr, dstport "
     "ORDER BY total_bytes DESC LIMIT 10"},
    {"VpcFlowLogsIPv4Traffic", "Total bytes of IPv4", "type bytes",
     "SELECT SUM(bytes) AS total_bytes" TABLE "WHERE type = 'IPv4'"},
    {"VpcFlowLogsIPv6Traffic", "Total bytes of IPv6", "type bytes",
     "SELECT SUM(bytes) AS total_bytes" TABLE "WHERE type = 'IPv6'"},
    {"VpcFlowLogsRejectedTCPTraffic", "TCP connections that were rejected", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE action = 'REJECT' AND protocol = 6 ORDER BY start"},
    {"VpcFlowLogsRejectedTraffic", "Everything that was rejected", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE action = 'REJECT' ORDER BY start"},
    {"VpcFlowLogsSshRdpTraffic", "SSH and RDP", CONNECTION_FIELDS,
     CONNECTIONS TABLE
     "WHERE protocol = 6 AND (dstport IN (22, 3389) OR srcport IN (22, 3389)) ORDER BY start"},
    {"VpcFlowLogsTopTalkers", "The 50 addresses that sent most", "srcaddr bytes log-status",
     TOP_50("bytes", "srcaddr")},
    {"VpcFlowLogsTopTalkersPacketLevel", "The 50 addresses in packets that sent most",
     "pkt-srcaddr bytes log-status", TOP_50("bytes", "pkt_srcaddr")},
    {"VpcFlowLogsTopTalkingInstances", "The 50 instances with most traffic", "instance-id bytes log-status",
     TOP_50("bytes", "instance_id")},
    {"VpcFlowLogsTopTalkingSubnets", "The 50 subnets with most traffic", "subnet-id bytes log-status",
     TOP_50("bytes", "subnet_id")},
    {"VpcFlowLogsTopTCPTraffic", "All TCP traffic of a source address", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE protocol = 6 AND srcaddr = ? ORDER BY bytes DESC"},
    {"VpcFlowLogsTotalBytesTransferred", "The 50 pairs of addresses with most bytes",
     "srcaddr dstaddr bytes log-status", TOP_50("bytes", "srcaddr, dstaddr")},
    {"VpcFlowLogsTotalBytesTransferredPacketLevel", "The 50 pairs of addresses in packets with most bytes",
     "pkt-srcaddr pkt-dstaddr bytes log-status", TOP_50("bytes", "pkt_srcaddr, pkt_dstaddr")},
    {"VpcFlowLogsTrafficFrmSrcAddr", "All traffic from an address", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE srcaddr = ? ORDER BY start"},
    {"VpcFlowLogsTrafficToDstAddr", "All traffic to an address", CONNECTION_FIELDS,
     CONNECTIONS TABLE "WHERE dstaddr = ? ORDER BY start"},
    {NULL},
};

bool ec2_query_fits(const struct ec2_named_query *query, const struct format *format)
{
    for (const char *name = query->fields; *name; name += strspn(name, " ")) {
        size_t len = strcspn(name, " ");
        int field = field_find(name, len);
        if (field < 0 || !format_has(format, (enum field_id)field))
            return false;
        name += len;
    }
    return true;
}

void ec2_query_print(const struct ec2_named_query *query, const char *table, struct buf *buf)
{
    const char *place = strstr(query->sql, "%s");
    buf_append(buf, query->sql, (size_t)(place - query->sql));
    buf_printf(buf, "%s%s", table, place + 2);
}
