/* SPDX-License-Identifier: Apache-2.0 */
#include "query/named.h"

/*
 * The rows. Every SQL text keeps to what DuckDB, Trino, Spark and ClickHouse understand alike: groups by
 * position, whole quotients by CAST(floor(…)), a window of the preceding row in place of lag(), and a table's
 * name before a column whose own name an aggregate has taken. The order of rows is complete, so that every
 * engine gives the same ones. Missing columns are null.
 */

#define INTERNAL_PARAMETER                                                                                   \
    {                                                                                                        \
        "internal", NAMED_PRIVATE, "address blocks that are your own", NAMED_BLOCKS                          \
    }
#define BUCKET_PARAMETER(initial)                                                                            \
    {                                                                                                        \
        "bucket", initial, "length of a row's time", NAMED_DURATION                                          \
    }
#define ADMIN_PORTS "22,23,135,139,445,1433,1521,2375,3306,3389,5432,5900,5985,5986,6379,9200,11211,27017"
#define LOGIN_PORTS "21,22,23,110,143,389,445,1433,3306,3389,5432,5900,5985"

/* first and last: of records, as time. */
#define FIRST_LAST "{time min(start)} AS first_seen, {time max({end})} AS last_seen"
#define REJECTED "sum(CASE WHEN action = 'REJECT' THEN 1 ELSE 0 END)"

/* Traffic of a field's values, with its way where records tell it. */
#define TOP_OF(column)                                                                                       \
    "WITH {flows}\n"                                                                                         \
    "SELECT " column ",\n"                                                                                   \
    "       sum(bytes) AS bytes,\n"                                                                          \
    "       sum(CASE WHEN flow_direction = 'ingress' THEN flows.bytes END) AS bytes_in,\n"                   \
    "       sum(CASE WHEN flow_direction = 'egress' THEN flows.bytes END) AS bytes_out,\n"                   \
    "       sum(packets) AS packets,\n"                                                                      \
    "       count(*) AS flows,\n"                                                                            \
    "       " REJECTED " AS rejected\n"                                                                      \
    "  FROM flows\n"                                                                                         \
    " WHERE " column " <> '-'\n"                                                                             \
    " GROUP BY 1\n"                                                                                          \
    " ORDER BY 2 DESC, 1\n"                                                                                  \
    " LIMIT {limit}"

/* Addresses by what they sent and received, from a subquery with the ends of each flow. */
#define TALKERS(source, destination)                                                                         \
    "WITH {flows},\n"                                                                                        \
    "ends AS (SELECT " source " AS address, bytes AS sent, 0 AS received, packets AS number FROM flows\n"    \
    "         UNION ALL\n"                                                                                   \
    "         SELECT " destination ", 0, bytes, packets FROM flows)\n"                                       \
    "SELECT address,\n"                                                                                      \
    "       sum(sent) AS bytes_sent,\n"                                                                      \
    "       sum(received) AS bytes_received,\n"                                                              \
    "       sum(sent) + sum(received) AS bytes,\n"                                                           \
    "       sum(number) AS packets,\n"                                                                       \
    "       count(*) AS flows\n"                                                                             \
    "  FROM ends\n"                                                                                          \
    " GROUP BY 1\n"                                                                                          \
    " ORDER BY 4 DESC, 1\n"                                                                                  \
    " LIMIT {limit}"

#define PAIRS(source, destination)                                                                           \
    "WITH {flows}\n"                                                                                         \
    "SELECT " source " AS source,\n"                                                                         \
    "       " destination " AS destination,\n"                                                               \
    "       sum(bytes) AS bytes,\n"                                                                          \
    "       sum(packets) AS packets,\n"                                                                      \
    "       count(*) AS flows\n"                                                                             \
    "  FROM flows\n"                                                                                         \
    " GROUP BY 1, 2\n"                                                                                       \
    " ORDER BY 3 DESC, 1, 2\n"                                                                               \
    " LIMIT {limit}"

#define PACKET_SOURCE "coalesce(nullif(pkt_srcaddr, '-'), srcaddr)"
#define PACKET_DESTINATION "coalesce(nullif(pkt_dstaddr, '-'), dstaddr)"

/* Who talked to whom, of the records that meet a condition. */
#define TRAFFIC(condition)                                                                                   \
    "WITH {flows}\n"                                                                                         \
    "SELECT srcaddr, dstaddr, dstport, protocol, action,\n"                                                  \
    "       sum(bytes) AS bytes,\n"                                                                          \
    "       sum(packets) AS packets,\n"                                                                      \
    "       count(*) AS flows,\n"                                                                            \
    "       " FIRST_LAST "\n"                                                                                \
    "  FROM flows\n"                                                                                         \
    " WHERE " condition "\n"                                                                                 \
    " GROUP BY 1, 2, 3, 4, 5\n"                                                                              \
    " ORDER BY 6 DESC, 1, 2, 3, 4, 5\n"                                                                      \
    " LIMIT {limit}"

#define FAMILY(name, condition)                                                                              \
    "WITH {flows}\n"                                                                                         \
    "SELECT '" name "' AS family,\n"                                                                         \
    "       sum(bytes) AS bytes,\n"                                                                          \
    "       sum(packets) AS packets,\n"                                                                      \
    "       count(*) AS flows\n"                                                                             \
    "  FROM flows\n"                                                                                         \
    " WHERE srcaddr " condition " '%:%'\n"                                                                   \
    "HAVING count(*) > 0\n"                                                                                  \
    " LIMIT {limit}"

/* Rows of time, of the records that meet a condition. */
#define OVER_TIME(columns, condition)                                                                        \
    "WITH {flows},\n"                                                                                        \
    "timed AS (SELECT *, start - start % {bucket} AS bucket FROM flows WHERE " condition ")\n"               \
    "SELECT {time bucket} AS since,\n" columns "       sum(packets) AS packets,\n"                           \
    "       count(*) AS flows,\n"                                                                            \
    "       " REJECTED " AS rejected\n"                                                                      \
    "  FROM timed\n"                                                                                         \
    " GROUP BY bucket\n"                                                                                     \
    " ORDER BY bucket\n"                                                                                     \
    " LIMIT {limit}"

/* Both ways of a conversation under one key: of its ends, that is `one` which sorts first. */
#define FORWARD "(source < destination OR (source = destination AND srcport <= dstport))"
#define CONVERSATION_ENDS                                                                                    \
    "       CASE WHEN " FORWARD " THEN source ELSE destination END AS one,\n"                                \
    "       CASE WHEN " FORWARD " THEN destination ELSE source END AS two,\n"                                \
    "       CASE WHEN " FORWARD " THEN srcport ELSE dstport END AS one_port,\n"                              \
    "       CASE WHEN " FORWARD " THEN dstport ELSE srcport END AS two_port,\n"

#define SCAN_PARAMETERS                                                                                      \
    {"window", "1h", "time within which one is counted", NAMED_DURATION},                                    \
    {                                                                                                        \
        "max-packets", "3", "a flow with more packets, that was not rejected, is no probe", NAMED_COUNT      \
    }
/* Different ports or hosts are only counted where there are as many flows: counting them takes long. */
#define PROBES                                                                                               \
    "probes AS (SELECT *, start - start % {window} AS bucket FROM flows\n"                                   \
    "            WHERE protocol IN (6, 17) AND (action = 'REJECT' OR packets <= {max-packets}) AND "         \
    "{opens}),\n"

const struct named_query named_queries[] = {
    {.name = "top-talkers",
     .aws = "VpcFlowLogsTopTalkers",
     .purpose = "addresses with the most traffic",
     .sql = TALKERS("srcaddr", "dstaddr"),
     .conclude =
         "The first rows pay the bill: look at what they do with top-pairs and address-timeline. An address "
         "that sends much more than it receives serves, or gives data away. A flow recorded on two "
         "interfaces "
         "counts on both."},
    {.name = "top-talkers-packet",
     .aws = "VpcFlowLogsTopTalkersPacketLevel",
     .purpose = "addresses with the most traffic, by the addresses in the packets themselves",
     .sql = TALKERS(PACKET_SOURCE, PACKET_DESTINATION),
     .conclude = "Behind a NAT gateway or a load balancer these are the real ends, which srcaddr and dstaddr "
                 "hide. Records without pkt-srcaddr and pkt-dstaddr (the default format) count by srcaddr "
                 "and dstaddr."},
    {.name = "top-interfaces",
     .purpose = "network interfaces with the most traffic",
     .sql = TOP_OF("interface_id"),
     .conclude = "One interface far ahead of its like is a candidate for a larger instance or an uneven load "
                 "balancer. bytes_in and bytes_out are null where records lack flow-direction."},
    {.name = "top-subnets",
     .aws = "VpcFlowLogsTopTalkingSubnets",
     .purpose = "subnets with the most traffic",
     .fields = {FIELD_SUBNET_ID},
     .sql = TOP_OF("subnet_id"),
     .conclude = "Traffic concentrated in one subnet of an availability zone means a fault there hurts most. "
                 "Needs subnet-id; without it, east-west tells networks by their addresses."},
    {.name = "top-instances",
     .aws = "VpcFlowLogsTopTalkingInstances",
     .purpose = "instances with the most traffic",
     .fields = {FIELD_INSTANCE_ID},
     .sql = TOP_OF("instance_id"),
     .conclude = "An instance that leads without a reason deserves address-timeline. Needs instance-id; "
                 "without it, top-interfaces comes nearest."},
    {.name = "top-pairs",
     .aws = "VpcFlowLogsTotalBytesTransferred",
     .purpose = "pairs of source and destination with the most traffic",
     .sql = PAIRS("srcaddr", "dstaddr"),
     .conclude = "A pair that leads with two addresses of different zones is what inter-zone charges come "
                 "from. Each way of a conversation is a row."},
    {.name = "top-pairs-packet",
     .aws = "VpcFlowLogsTotalBytesTransferredPacketLevel",
     .purpose = "pairs with the most traffic, by the addresses in the packets themselves",
     .sql = PAIRS(PACKET_SOURCE, PACKET_DESTINATION),
     .conclude = "Shows who talks through a NAT gateway or load balancer. Records without pkt-srcaddr and "
                 "pkt-dstaddr count by srcaddr and dstaddr."},
    {.name = "protocols",
     .purpose = "traffic by protocol",
     .sql =
         "WITH {flows}\n"
         "SELECT protocol,\n"
         "       CASE protocol WHEN 1 THEN 'ICMP' WHEN 6 THEN 'TCP' WHEN 17 THEN 'UDP' WHEN 41 THEN 'IPv6'\n"
         "                     WHEN 47 THEN 'GRE' WHEN 50 THEN 'ESP' WHEN 58 THEN 'ICMPv6' WHEN 132 THEN "
         "'SCTP'\n"
         "                     ELSE '-' END AS name,\n"
         "       sum(bytes) AS bytes,\n"
         "       sum(packets) AS packets,\n"
         "       count(*) AS flows,\n"
         "       " REJECTED " AS rejected\n"
         "  FROM flows\n"
         " WHERE protocol IS NOT NULL\n"
         " GROUP BY 1, 2\n"
         " ORDER BY 3 DESC, 1\n"
         " LIMIT {limit}",
     .conclude = "GRE, ESP or IPv6 in IPv4 where nobody set up a tunnel is a way round the rules. Much ICMP "
                 "is a scan or a broken path."},
    {.name = "ipv4-bytes",
     .aws = "VpcFlowLogsIPv4Traffic",
     .purpose = "all IPv4 traffic in one row",
     .sql = FAMILY("IPv4", "NOT LIKE"),
     .conclude = "Beside ipv6-bytes it tells how far a move to IPv6 has come."},
    {.name = "ipv6-bytes",
     .aws = "VpcFlowLogsIPv6Traffic",
     .purpose = "all IPv6 traffic in one row",
     .sql = FAMILY("IPv6", "LIKE"),
     .conclude =
         "IPv6 where none was planned has usually no rules written for it: look at open-admin-ports."},
    {.name = "rejected-by-port",
     .purpose = "rejected traffic by destination port",
     .sql = "WITH {flows}\n"
            "SELECT dstport, protocol,\n"
            "       count(*) AS flows,\n"
            "       sum(packets) AS packets,\n"
            "       count(DISTINCT srcaddr) AS sources,\n"
            "       count(DISTINCT dstaddr) AS destinations\n"
            "  FROM flows\n"
            " WHERE action = 'REJECT'\n"
            " GROUP BY 1, 2\n"
            " ORDER BY 3 DESC, 1, 2\n"
            " LIMIT {limit}",
     .conclude =
         "Many sources on one port is the noise of the internet. One source of your own on a port of a "
         "service is a rule that is missing. Ports above 32767 are mostly answers that a network ACL, "
         "which knows no connections, lets not pass."},
    {.name = "rejected-by-source",
     .purpose = "rejected traffic by source address",
     .sql = "WITH {flows}\n"
            "SELECT srcaddr,\n"
            "       count(*) AS flows,\n"
            "       sum(packets) AS packets,\n"
            "       count(DISTINCT dstaddr) AS destinations,\n"
            "       count(DISTINCT dstport) AS ports,\n"
            "       " FIRST_LAST "\n"
            "  FROM flows\n"
            " WHERE action = 'REJECT'\n"
            " GROUP BY 1\n"
            " ORDER BY 2 DESC, 1\n"
            " LIMIT {limit}",
     .conclude =
         "An internal address high in the list is misconfigured or compromised: traffic-from shows what "
         "it wanted. One with many ports or destinations scans."},
    {.name = "rejected-by-interface",
     .purpose = "rejected traffic by network interface",
     .sql = "WITH {flows}\n"
            "SELECT interface_id,\n"
            "       count(*) AS flows,\n"
            "       " REJECTED " AS rejected,\n"
            "       CAST(floor(100e0 * " REJECTED " / count(*)) AS BIGINT) AS rejected_percent,\n"
            "       sum(CASE WHEN action = 'REJECT' THEN packets ELSE 0 END) AS rejected_packets\n"
            "  FROM flows\n"
            " GROUP BY 1\n"
            "HAVING " REJECTED " > 0\n"
            " ORDER BY 3 DESC, 1\n"
            " LIMIT {limit}",
     .conclude =
         "A high percentage on an interface that should serve is a wrong security group; a low one on "
         "an interface with a public address is the usual noise."},
    {.name = "rejected",
     .aws = "VpcFlowLogsRejectedTraffic",
     .purpose = "all rejected traffic: who wanted what of whom",
     .sql = TRAFFIC("action = 'REJECT'"),
     .conclude = "Your own addresses as sources are worth a look each: flowlog explain names the rule."},
    {.name = "rejected-tcp",
     .aws = "VpcFlowLogsRejectedTCPTraffic",
     .purpose = "rejected TCP traffic: who wanted what of whom",
     .sql = TRAFFIC("action = 'REJECT' AND protocol = 6"),
     .conclude =
         "A client of your own that is rejected again and again waits for a rule: flowlog diagnose tells "
         "on which way the traffic is stopped."},
    {.name = "accepted-tcp",
     .aws = "VpcFlowLogsAcceptedTraffic",
     .purpose = "TCP traffic that was let through",
     .sql = TRAFFIC("action = 'ACCEPT' AND protocol = 6"),
     .conclude = "What you did not expect here is a rule wider than needed. Accepted means let through, not "
                 "answered: see unanswered."},
    {.name = "tcp-from",
     .aws = "VpcFlowLogsTopTCPTraffic",
     .purpose = "TCP traffic of one source address",
     .parameters = {{"address", NULL, "the source address", NAMED_ADDRESS}},
     .sql = TRAFFIC("srcaddr = {address} AND protocol = 6"),
     .conclude =
         "The list of services that a host uses; before it is moved, each needs a rule at its new place."},
    {.name = "traffic-from",
     .aws = "VpcFlowLogsTrafficFrmSrcAddr",
     .purpose = "traffic from one address",
     .parameters = {{"address", NULL, "the source address", NAMED_ADDRESS}},
     .sql = TRAFFIC("srcaddr = {address}"),
     .conclude = "High destination ports are its answers as a server, low ones what it uses itself."},
    {.name = "traffic-to",
     .aws = "VpcFlowLogsTrafficToDstAddr",
     .purpose = "traffic to one address",
     .parameters = {{"address", NULL, "the destination address", NAMED_ADDRESS}},
     .sql = TRAFFIC("dstaddr = {address}"),
     .conclude = "The clients of a host, by port. A port with REJECT only is closed by a rule; one with both "
                 "verdicts is open to some."},
    {.name = "ssh-rdp",
     .aws = "VpcFlowLogsSshRdpTraffic",
     .purpose = "attempts to reach SSH and RDP, by source",
     .parameters = {{"ports", "22,3389", "destination ports", NAMED_PORTS}},
     .sql = "WITH {flows}\n"
            "SELECT srcaddr, dstport, action,\n"
            "       count(DISTINCT dstaddr) AS targets,\n"
            "       count(*) AS flows,\n"
            "       sum(packets) AS packets,\n"
            "       sum(bytes) AS bytes,\n"
            "       " FIRST_LAST "\n"
            "  FROM flows\n"
            " WHERE dstport IN ({ports}) AND protocol IN (6, 17)\n"
            " GROUP BY 1, 2, 3\n"
            " ORDER BY 5 DESC, 1, 2, 3\n"
            " LIMIT {limit}",
     .conclude = "ACCEPT from an address that is not an administrator's is the row to look at first; many "
                 "REJECTs from outside mean that the rules do their work."},
    {.name = "admin-port-traffic",
     .aws = "VpcFlowLogsAdminPortTraffic",
     .purpose = "the addresses with the most traffic to administrative ports",
     .parameters = {{"ports", ADMIN_PORTS, "destination ports", NAMED_PORTS}},
     .limit = "10",
     .sql = "WITH {flows}\n"
            "SELECT srcaddr,\n"
            "       sum(bytes) AS bytes,\n"
            "       sum(packets) AS packets,\n"
            "       count(*) AS flows,\n"
            "       " REJECTED " AS rejected,\n"
            "       {words dstport} AS ports\n"
            "  FROM flows\n"
            " WHERE dstport IN ({ports}) AND protocol IN (6, 17)\n"
            " GROUP BY 1\n"
            " ORDER BY 2 DESC, 1\n"
            " LIMIT {limit}",
     .conclude = "Expected are bastions, jobs that deploy, and clients of data bases. ports lists the lowest "
                 "eight."},
    {.name = "open-admin-ports",
     .purpose = "administrative ports that the internet was let through to",
     .parameters = {{"ports", ADMIN_PORTS, "destination ports", NAMED_PORTS}, INTERNAL_PARAMETER},
     .sql = "WITH {flows}\n"
            "SELECT dstaddr, dstport, protocol,\n"
            "       count(DISTINCT srcaddr) AS sources,\n"
            "       count(*) AS flows,\n"
            "       sum(bytes) AS bytes,\n"
            "       " FIRST_LAST "\n"
            "  FROM flows\n"
            " WHERE action = 'ACCEPT' AND dstport IN ({ports}) AND protocol IN (6, 17)\n"
            "   AND {opens}\n"
            "   AND {in dstaddr internal}\n"
            "   AND NOT {in srcaddr internal}\n"
            " GROUP BY 1, 2, 3\n"
            " ORDER BY 4 DESC, 1, 2, 3\n"
            " LIMIT {limit}",
     .conclude =
         "Each row is a rule to narrow: a security group lets 0.0.0.0/0 in. That nothing listened does "
         "not make it better. Own public addresses belong into internal=."},
    {.name = "port-scans",
     .purpose = "sources that tried many ports of one host",
     .parameters = {{"min-ports", "20", "different ports within the window", NAMED_COUNT}, SCAN_PARAMETERS},
     .sql = "WITH {flows},\n" PROBES
            "often AS (SELECT srcaddr AS source, dstaddr AS destination, bucket AS first_s\n"
            "            FROM probes GROUP BY 1, 2, 3 HAVING count(*) >= {min-ports})\n"
            "SELECT srcaddr, dstaddr, {time bucket} AS since,\n"
            "       count(DISTINCT dstport) AS ports,\n"
            "       count(*) AS flows,\n"
            "       " REJECTED " AS rejected,\n"
            "       {words dstport} AS lowest_ports\n"
            "  FROM probes\n"
            "  JOIN often ON source = srcaddr AND destination = dstaddr AND first_s = bucket\n"
            " GROUP BY srcaddr, dstaddr, bucket\n"
            "HAVING count(DISTINCT dstport) >= {min-ports}\n"
            " ORDER BY 4 DESC, 1, 2, 3\n"
            " LIMIT {limit}",
     .conclude =
         "From outside, and all rejected: noise. From an address of your own: find the host. flows less "
         "rejected are the ports that were open to it. Records without tcp-flags count what goes to "
         "ports below 32768."},
    {.name = "host-scans",
     .purpose = "sources that tried one port of many hosts",
     .parameters = {{"min-hosts", "20", "different hosts within the window", NAMED_COUNT}, SCAN_PARAMETERS},
     .sql = "WITH {flows},\n" PROBES
            "often AS (SELECT srcaddr AS source, dstport AS port, protocol AS kind, bucket AS first_s\n"
            "            FROM probes GROUP BY 1, 2, 3, 4 HAVING count(*) >= {min-hosts})\n"
            "SELECT srcaddr, dstport, protocol, {time bucket} AS since,\n"
            "       count(DISTINCT dstaddr) AS hosts,\n"
            "       count(*) AS flows,\n"
            "       " REJECTED " AS rejected\n"
            "  FROM probes\n"
            "  JOIN often ON source = srcaddr AND port = dstport AND kind = protocol AND first_s = bucket\n"
            " GROUP BY srcaddr, dstport, protocol, bucket\n"
            "HAVING count(DISTINCT dstaddr) >= {min-hosts}\n"
            " ORDER BY 5 DESC, 1, 2, 3, 4\n"
            " LIMIT {limit}",
     .conclude =
         "A worm, or an inventory that you run yourself: the port tells. 445 or 3389 from an internal "
         "address is how ransomware spreads. Monitoring is known by its address."},
    {.name = "brute-force",
     .purpose = "sources that connected again and again to a port with a log-in",
     .parameters = {{"ports", LOGIN_PORTS, "destination ports", NAMED_PORTS},
                    {"min-attempts", "20", "connections within the window", NAMED_COUNT},
                    {"window", "10m", "time within which they are counted", NAMED_DURATION}},
     .sql = "WITH {flows},\n"
            "attempts AS (SELECT *, start - start % {window} AS bucket FROM flows\n"
            "              WHERE action = 'ACCEPT' AND protocol = 6 AND dstport IN ({ports}) AND {opens})\n"
            "SELECT srcaddr, dstaddr, dstport, {time bucket} AS since,\n"
            "       count(DISTINCT srcport) AS attempts,\n"
            "       sum(packets) AS packets,\n"
            "       CAST(floor(1e0 * sum(bytes) / count(DISTINCT srcport)) AS BIGINT) AS bytes_per_attempt\n"
            "  FROM attempts\n"
            " GROUP BY srcaddr, dstaddr, dstport, bucket\n"
            "HAVING count(DISTINCT srcport) >= {min-attempts}\n"
            " ORDER BY 5 DESC, 1, 2, 3, 4\n"
            " LIMIT {limit}",
     .conclude =
         "Equal, small bytes_per_attempt is password guessing; when traffic-from then shows one "
         "connection with many bytes, a guess was right. A connection pool looks alike: its source is "
         "one of yours."},
    {.name = "first-seen",
     .purpose = "destinations that own addresses talk to for the first time",
     .parameters = {{"recent", "1d", "time before the newest record that counts as new", NAMED_DURATION},
                    INTERNAL_PARAMETER},
     .sql = "WITH {flows},\n"
            "span AS (SELECT min(start) AS oldest, max(start) AS newest FROM flows),\n"
            "sent AS (SELECT * FROM flows WHERE action = 'ACCEPT' AND {opens} AND {in srcaddr internal}),\n"
            "seen AS (SELECT dstaddr, min(start) AS first_start, count(DISTINCT srcaddr) AS sources,\n"
            "                count(*) AS flows, sum(bytes) AS bytes, {words dstport} AS ports\n"
            "           FROM sent GROUP BY 1)\n"
            "SELECT dstaddr, {time first_start} AS first_seen, sources, flows, bytes, ports\n"
            "  FROM seen CROSS JOIN span\n"
            " WHERE first_start > newest - {recent} AND oldest <= newest - {recent}\n"
            " ORDER BY bytes DESC, dstaddr\n"
            " LIMIT {limit}",
     .conclude = "A new external destination with many bytes, used by one host, is the usual beginning of an "
                 "incident; used by many hosts it is a new release. Finds nothing where the records reach no "
                 "further back than recent=."},
    {.name = "unusual-volume",
     .purpose = "addresses that sent far more than they usually do",
     .parameters = {BUCKET_PARAMETER("1h"),
                    {"factor", "10", "times the mean of the address's other rows of time", NAMED_COUNT},
                    {"min-bytes", "1000000", "less is not looked at", NAMED_COUNT},
                    {"min-history", "3", "other rows of time that are needed", NAMED_COUNT}},
     .sql = "WITH {flows},\n"
            "volumes AS (SELECT srcaddr, start - start % {bucket} AS bucket, sum(bytes) AS volume\n"
            "              FROM flows GROUP BY 1, 2),\n"
            "compared AS (SELECT srcaddr, bucket, volume,\n"
            "                    count(*) OVER (PARTITION BY srcaddr) - 1 AS others,\n"
            "                    sum(volume) OVER (PARTITION BY srcaddr) - volume AS rest\n"
            "               FROM volumes)\n"
            "SELECT srcaddr, {time bucket} AS since,\n"
            "       volume AS bytes,\n"
            "       CAST(floor(1e0 * rest / others) AS BIGINT) AS usual_bytes\n"
            "  FROM compared\n"
            " WHERE others > 0 AND others >= {min-history} AND volume >= {min-bytes}\n"
            "   AND volume * others >= {factor} * rest\n"
            " ORDER BY 3 DESC, 1, 2\n"
            " LIMIT {limit}",
     .conclude =
         "A backup does this every night; once is what to look at, with exfiltration and top-pairs for "
         "that hour. The mean is over times in which the address sent anything."},
    {.name = "exfiltration",
     .purpose = "own addresses that sent much out and got little back",
     .parameters = {INTERNAL_PARAMETER,
                    {"min-bytes", "100000000", "bytes sent to one external address", NAMED_COUNT},
                    {"ratio", "10", "bytes sent are at least as many times those received", NAMED_COUNT}},
     .sql =
         "WITH {flows},\n"
         "placed AS (SELECT *, CASE WHEN {in srcaddr internal} THEN 1 ELSE 0 END AS from_inside,\n"
         "                  CASE WHEN {in dstaddr internal} THEN 1 ELSE 0 END AS to_inside\n"
         "             FROM flows WHERE action = 'ACCEPT'),\n"
         "ways AS (SELECT interface_id, srcaddr AS address, dstaddr AS peer, bytes AS sent, 0 AS received,\n"
         "                start AS first_start, {end} AS last_end\n"
         "           FROM placed WHERE from_inside = 1 AND to_inside = 0\n"
         "         UNION ALL\n"
         "         SELECT interface_id, dstaddr, srcaddr, 0, bytes, start, {end}\n"
         "           FROM placed WHERE from_inside = 0 AND to_inside = 1)\n"
         "SELECT address, peer, interface_id,\n"
         "       sum(sent) AS bytes_sent,\n"
         "       sum(received) AS bytes_received,\n"
         "       {time min(first_start)} AS first_seen,\n"
         "       {time max(last_end)} AS last_seen\n"
         "  FROM ways\n"
         " GROUP BY 1, 2, 3\n"
         "HAVING sum(sent) >= {min-bytes} AND sum(sent) >= {ratio} * sum(received)\n"
         " ORDER BY 4 DESC, 1, 2, 3\n"
         " LIMIT {limit}",
     .conclude =
         "A large upload to an address that first-seen also shows is to be taken seriously; to a backup or a "
         "mirror of yours it is daily work. A public server with large downloads looks alike: traffic-to "
         "shows "
         "whether the other end asked for it."},
    {.name = "beaconing",
     .purpose = "connections that come as regularly as a clock",
     .parameters = {{"min-times", "10", "connections at least", NAMED_COUNT},
                    {"min-period", "30s", "shorter mean distances are left out", NAMED_DURATION},
                    {"max-jitter", "10", "standard deviation of the distance, in percent of it",
                     NAMED_PERCENT}},
     .sql = "WITH {flows},\n"
            "begun AS (SELECT srcaddr, dstaddr, dstport, protocol, srcport, min(start) AS began\n"
            "            FROM flows WHERE {opens} GROUP BY 1, 2, 3, 4, 5),\n"
            "times AS (SELECT DISTINCT srcaddr, dstaddr, dstport, protocol, began FROM begun),\n"
            "gaps AS (SELECT srcaddr, dstaddr, dstport, protocol, began,\n"
            "                began - max(began) OVER (PARTITION BY srcaddr, dstaddr, dstport, protocol\n"
            "                  ORDER BY began ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS gap\n"
            "           FROM times)\n"
            "SELECT srcaddr, dstaddr, dstport, protocol,\n"
            "       count(*) AS times,\n"
            "       CAST(floor(avg(gap) + 0.5e0) AS BIGINT) AS period_seconds,\n"
            "       CAST(floor(100 * stddev_pop(gap) / avg(gap) + 0.5e0) AS BIGINT) AS jitter_percent,\n"
            "       {time min(began)} AS first_seen,\n"
            "       {time max(began)} AS last_seen\n"
            "  FROM gaps\n"
            " GROUP BY 1, 2, 3, 4\n"
            "HAVING count(*) >= {min-times} AND avg(gap) >= {min-period}\n"
            "   AND stddev_pop(gap) * 100 <= {max-jitter} * avg(gap)\n"
            " ORDER BY 5 DESC, 1, 2, 3, 4\n"
            " LIMIT {limit}",
     .conclude =
         "Software that calls home. Updates and monitoring go to names you know; a regular small "
         "connection to an unknown external address is how malware asks for orders. A connection counts "
         "once, by its ports, however many records it has."},
    {.name = "east-west",
     .purpose = "traffic between networks of your own",
     .parameters = {INTERNAL_PARAMETER},
     .sql = "WITH {flows},\n"
            "own AS (SELECT *, {digits srcaddr} AS src_digits, {digits dstaddr} AS dst_digits FROM flows\n"
            "         WHERE {in srcaddr internal}\n"
            "           AND {in dstaddr internal}),\n"
            "nets AS (SELECT *,\n"
            "                CASE WHEN srcaddr LIKE '%:%' THEN substr(src_digits, 1, 4) || ':' ||\n"
            "                  substr(src_digits, 5, 4) || ':' || substr(src_digits, 9, 4) || ':' ||\n"
            "                  substr(src_digits, 13, 4) || '::/64'\n"
            "                  ELSE regexp_replace(srcaddr, '[0-9]+$', '0/24') END AS source_network,\n"
            "                CASE WHEN dstaddr LIKE '%:%' THEN substr(dst_digits, 1, 4) || ':' ||\n"
            "                  substr(dst_digits, 5, 4) || ':' || substr(dst_digits, 9, 4) || ':' ||\n"
            "                  substr(dst_digits, 13, 4) || '::/64'\n"
            "                  ELSE regexp_replace(dstaddr, '[0-9]+$', '0/24') END AS destination_network\n"
            "           FROM own)\n"
            "SELECT source_network, destination_network,\n"
            "       sum(bytes) AS bytes,\n"
            "       sum(packets) AS packets,\n"
            "       count(*) AS flows,\n"
            "       " REJECTED " AS rejected,\n"
            "       count(DISTINCT srcaddr) AS sources,\n"
            "       count(DISTINCT dstaddr) AS destinations\n"
            "  FROM nets\n"
            " WHERE source_network <> destination_network\n"
            " GROUP BY 1, 2\n"
            " ORDER BY 3 DESC, 1, 2\n"
            " LIMIT {limit}",
     .conclude = "The map of who needs whom before networks are separated; a row between two that should not "
                 "know each other is a rule too wide. Networks are taken as /24 and, for IPv6, /64."},
    {.name = "address-timeline",
     .purpose = "traffic of one address over time",
     .parameters = {{"address", NULL, "the address", NAMED_ADDRESS}, BUCKET_PARAMETER("5m")},
     .limit = "1000",
     .sql = OVER_TIME("       sum(CASE WHEN srcaddr = {address} THEN bytes ELSE 0 END) AS bytes_sent,\n"
                      "       sum(CASE WHEN dstaddr = {address} THEN bytes ELSE 0 END) AS bytes_received,\n",
                      "(srcaddr = {address} OR dstaddr = {address})"),
     .conclude =
         "When it began, when it stopped, and whether rejects came with it. A time without a row is a "
         "time without traffic, if health shows nothing."},
    {.name = "interface-timeline",
     .purpose = "traffic of one network interface over time",
     .parameters = {{"interface", NULL, "the interface's id", NAMED_INTERFACE}, BUCKET_PARAMETER("5m")},
     .limit = "1000",
     .sql = OVER_TIME("       sum(bytes) AS bytes,\n"
                      "       sum(CASE WHEN flow_direction = 'ingress' THEN timed.bytes END) AS bytes_in,\n"
                      "       sum(CASE WHEN flow_direction = 'egress' THEN timed.bytes END) AS bytes_out,\n",
                      "interface_id = {interface}"),
     .conclude = "A plateau is a limit of the instance or the link; a gap with NODATA in health was an idle "
                 "interface. bytes_in and bytes_out are null where records lack flow-direction."},
    {.name = "bytes-per-minute",
     .purpose = "all traffic over time",
     .parameters = {BUCKET_PARAMETER("1m")},
     .limit = "1500",
     .sql = OVER_TIME("       sum(bytes) AS bytes,\n"
                      "       CAST(floor(8e0 * sum(timed.bytes) / {bucket}) AS BIGINT) AS bits_per_second,\n",
                      "start IS NOT NULL"),
     .conclude =
         "The shape of a day. With an aggregation interval of ten minutes a row of one minute holds the "
         "flows that began in it, so take bucket=10m there."},
    {.name = "unanswered",
     .purpose = "connections that were let through and never got an answer",
     .parameters = {{"protocol", "tcp", "a number, or tcp, udp, icmp, …", NAMED_PROTOCOL}},
     .sql = "WITH {flows},\n"
            "ends AS (SELECT srcaddr AS source, dstaddr AS destination, srcport, dstport, packets, action,\n"
            "                CASE WHEN {opens} THEN 1 ELSE 0 END AS opening, start, {end} AS ended\n"
            "           FROM flows WHERE protocol = {protocol}),\n"
            "ways AS (SELECT\n" CONVERSATION_ENDS "       CASE WHEN " FORWARD " THEN 1 ELSE 2 END AS way,\n"
            "       packets, action, opening, start, ended\n"
            "  FROM ends),\n"
            "conversations AS (SELECT one, two, one_port, two_port,\n"
            "         sum(CASE WHEN way = 1 AND action = 'ACCEPT' THEN packets ELSE 0 END) AS sent_1,\n"
            "         sum(CASE WHEN way = 2 AND action = 'ACCEPT' THEN packets ELSE 0 END) AS sent_2,\n"
            "         sum(CASE WHEN way = 1 AND action = 'REJECT' THEN packets ELSE 0 END) AS rejected_1,\n"
            "         sum(CASE WHEN way = 2 AND action = 'REJECT' THEN packets ELSE 0 END) AS rejected_2,\n"
            "         max(CASE WHEN way = 1 THEN opening ELSE 0 END) AS opened_1,\n"
            "         max(CASE WHEN way = 2 THEN opening ELSE 0 END) AS opened_2,\n"
            "         min(start) AS began, max(ended) AS ended\n"
            "    FROM ways GROUP BY 1, 2, 3, 4),\n"
            "silent AS (SELECT one AS srcaddr, two AS dstaddr, two_port AS dstport, sent_1 AS sent,\n"
            "                  rejected_2 AS rejected, began, ended\n"
            "             FROM conversations\n"
            "            WHERE sent_1 > 0 AND sent_2 = 0 AND rejected_1 = 0 AND opened_1 = 1\n"
            "           UNION ALL\n"
            "           SELECT two, one, one_port, sent_2, rejected_1, began, ended\n"
            "             FROM conversations\n"
            "            WHERE sent_2 > 0 AND sent_1 = 0 AND rejected_2 = 0 AND opened_2 = 1)\n"
            "SELECT srcaddr, dstaddr, dstport,\n"
            "       count(*) AS connections,\n"
            "       sum(sent) AS packets,\n"
            "       sum(rejected) AS rejected_answers,\n"
            "       {time min(began)} AS first_seen,\n"
            "       {time max(ended)} AS last_seen\n"
            "  FROM silent\n"
            " GROUP BY 1, 2, 3\n"
            " ORDER BY 4 DESC, 1, 2, 3\n"
            " LIMIT {limit}",
     .conclude = "The request passed the rules and nothing came back: the service is down, the host's own "
                 "firewall drops, or the way back is missing; with rejected_answers a network ACL stops the "
                 "answer. A period that begins or ends amid a connection shows half of it."},
    {.name = "asymmetric",
     .purpose = "interfaces that see one way of a conversation while the other takes another path",
     .parameters = {{"protocol", "tcp", "a number, or tcp, udp, icmp, …", NAMED_PROTOCOL}},
     .sql =
         "WITH {flows},\n"
         "ends AS (SELECT interface_id, " PACKET_SOURCE " AS source, " PACKET_DESTINATION " AS destination,\n"
         "                srcport, dstport, packets\n"
         "           FROM flows WHERE protocol = {protocol} AND action = 'ACCEPT'),\n"
         "ways AS (SELECT interface_id,\n" CONVERSATION_ENDS "       CASE WHEN " FORWARD
         " THEN packets ELSE 0 END AS sent_1,\n"
         "       CASE WHEN " FORWARD " THEN 0 ELSE packets END AS sent_2\n"
         "  FROM ends),\n"
         "local AS (SELECT interface_id, one, two, one_port, two_port,\n"
         "                 sum(sent_1) AS here_1, sum(sent_2) AS here_2\n"
         "            FROM ways GROUP BY 1, 2, 3, 4, 5),\n"
         "everywhere AS (SELECT *,\n"
         "         sum(here_1) OVER (PARTITION BY one, two, one_port, two_port) AS all_1,\n"
         "         sum(here_2) OVER (PARTITION BY one, two, one_port, two_port) AS all_2\n"
         "    FROM local)\n"
         "SELECT interface_id,\n"
         "       CASE WHEN here_1 > 0 THEN one ELSE two END AS source,\n"
         "       CASE WHEN here_1 > 0 THEN two ELSE one END AS destination,\n"
         "       count(*) AS conversations,\n"
         "       sum(here_1 + here_2) AS packets_here,\n"
         "       sum(CASE WHEN here_1 > 0 THEN all_2 ELSE all_1 END) AS packets_elsewhere\n"
         "  FROM everywhere\n"
         " WHERE (here_1 > 0 AND here_2 = 0 AND all_2 > 0) OR (here_2 > 0 AND here_1 = 0 AND all_1 > 0)\n"
         " GROUP BY 1, 2, 3\n"
         " ORDER BY 4 DESC, 1, 2, 3\n"
         " LIMIT {limit}",
     .conclude =
         "A firewall that sees half a connection drops it: the routes of the two subnets lead through "
         "different appliances. Addresses are those in the packets; records without pkt-srcaddr show "
         "an appliance's own address, and cannot be matched."},
    {.name = "health",
     .purpose = "interfaces with lost records or without traffic",
     .sql = "SELECT interface_id,\n"
            "       sum(CASE WHEN log_status = 'SKIPDATA' THEN 1 ELSE 0 END) AS skipdata,\n"
            "       sum(CASE WHEN log_status = 'SKIPDATA' THEN x_lost_packets END) AS lost_packets,\n"
            "       sum(CASE WHEN log_status = 'NODATA' THEN 1 ELSE 0 END) AS nodata,\n"
            "       count(*) AS records,\n"
            "       {time max({end})} AS last_seen\n"
            "  FROM flow_logs\n"
            " WHERE start IS NOT NULL{period}\n"
            " GROUP BY 1\n"
            "HAVING sum(CASE WHEN log_status IN ('SKIPDATA', 'NODATA') THEN 1 ELSE 0 END) > 0\n"
            " ORDER BY 2 DESC, 4 DESC, 1\n"
            " LIMIT {limit}",
     .conclude =
         "With SKIPDATA the other queries count too little there, and an absence proves nothing. Only "
         "NODATA is an idle or unplugged interface. lost_packets is null where nobody counted them."},
    {.name = "delivery-lag",
     .purpose = "interfaces whose newest record is old",
     .parameters = {{"min-lag", "15m", "younger ones are left out", NAMED_DURATION},
                    {"now", "", "the time to compare with; the present", NAMED_TIME}},
     .sql = "WITH newest AS (SELECT interface_id, max({end}) AS last_end, count(*) AS records\n"
            "                  FROM flow_logs WHERE start IS NOT NULL{period} GROUP BY 1)\n"
            "SELECT interface_id,\n"
            "       {time last_end} AS last_seen,\n"
            "       {now} - last_end AS seconds_ago,\n"
            "       (SELECT max(last_end) FROM newest) - last_end AS seconds_behind_newest,\n"
            "       records\n"
            "  FROM newest\n"
            " WHERE {now} - last_end >= {min-lag}\n"
            " ORDER BY 3 DESC, 1\n"
            " LIMIT {limit}",
     .conclude =
         "All interfaces behind by the same: delivery is slow or stands. One behind the newest of all: "
         "its host is gone or its flow log was deleted, as an idle one would still give NODATA."},
    {.name = NULL},
};
