/* SPDX-License-Identifier: Apache-2.0 */
#include "record/field.h"

#include <string.h>

#include "base/nearest.h"

#define ROW(text, since, shape, where, absent, explained)                                                    \
    {                                                                                                        \
        .name = (text), .member = "\"" text "\":", .name_len = sizeof(text) - 1, .version = (since), shape,  \
        .scope = (where), .absent_when = (absent), .meaning = (explained)                                    \
    }

/* Shapes: AWS's Parquet type, what the text has to look like, and the largest number. */
#define WORD .type = FIELD_STRING, .kind = FIELD_KIND_WORD
#define ADDRESS .type = FIELD_STRING, .kind = FIELD_KIND_ADDRESS
#define ACTION .type = FIELD_STRING, .kind = FIELD_KIND_ACTION
#define LOG_STATUS .type = FIELD_STRING, .kind = FIELD_KIND_LOG_STATUS
#define NUMBER_32 .type = FIELD_INT32, .kind = FIELD_KIND_NUMBER, .max = INT32_MAX
#define NUMBER_64 .type = FIELD_INT64, .kind = FIELD_KIND_NUMBER, .max = INT64_MAX
#define PORT .type = FIELD_INT32, .kind = FIELD_KIND_NUMBER, .max = UINT16_MAX
#define PROTOCOL .type = FIELD_INT32, .kind = FIELD_KIND_NUMBER, .max = UINT8_MAX
#define TIME .type = FIELD_INT64, .kind = FIELD_KIND_TIME, .max = INT64_MAX

enum {
    VPC = FIELD_SCOPE_VPC,
    GATEWAY = FIELD_SCOPE_TRANSIT_GATEWAY,
    BOTH = VPC | GATEWAY,
    OWN = FIELD_SCOPE_OWN
};

/* `-` when: */
#define NO_FLOW "NODATA and SKIPDATA records"
#define NO_TASK "the traffic is not of an ECS task, or the value cannot be computed"
#define NO_TAG "not tagged, or the value cannot be computed"
#define NO_NEXT_HOP "the next hop has no interface or is of another account"

const struct field field_catalogue[FIELD_COUNT + 1] = {
    [FIELD_VERSION] = ROW("version", 2, NUMBER_32, BOTH, "never",
                          "version of the record format: the highest version among its fields"),
    [FIELD_ACCOUNT_ID] = ROW("account-id", 2, WORD, BOTH, "not known",
                             "account that owns the network interface, 12 digits; \"unknown\" for interfaces "
                             "made by an AWS service"),
    [FIELD_INTERFACE_ID] = ROW("interface-id", 2, WORD, VPC, "the flow belongs to a regional NAT gateway",
                               "network interface the traffic was recorded on"),
    [FIELD_SRCADDR] = ROW("srcaddr", 2, ADDRESS, BOTH, NO_FLOW,
                          "source address; for egress the primary address of the interface"),
    [FIELD_DSTADDR] = ROW("dstaddr", 2, ADDRESS, BOTH, NO_FLOW,
                          "destination address; for ingress the primary address of the interface"),
    [FIELD_SRCPORT] = ROW("srcport", 2, PORT, BOTH, NO_FLOW, "source port; 0 for protocols without ports"),
    [FIELD_DSTPORT] =
        ROW("dstport", 2, PORT, BOTH, NO_FLOW, "destination port; 0 for protocols without ports"),
    [FIELD_PROTOCOL] = ROW("protocol", 2, PROTOCOL, BOTH, NO_FLOW,
                           "IANA protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6, 132 SCTP"),
    [FIELD_PACKETS] = ROW("packets", 2, NUMBER_64, BOTH, NO_FLOW, "packets of the flow in the interval"),
    [FIELD_BYTES] = ROW("bytes", 2, NUMBER_64, BOTH, NO_FLOW ", and rejects by VPC Block Public Access",
                        "bytes of the flow in the interval: IP packet lengths, headers included"),
    [FIELD_START] =
        ROW("start", 2, TIME, BOTH, "never", "Unix seconds of the first packet of the flow in the interval"),
    [FIELD_END] =
        ROW("end", 2, TIME, BOTH, "never", "Unix seconds of the last packet of the flow in the interval"),
    [FIELD_ACTION] = ROW("action", 2, ACTION, VPC, NO_FLOW, "ACCEPT or REJECT"),
    [FIELD_LOG_STATUS] =
        ROW("log-status", 2, LOG_STATUS, BOTH, "never",
            "OK; NODATA: no traffic in the interval; SKIPDATA: some records of it were lost"),
    [FIELD_VPC_ID] = ROW("vpc-id", 3, WORD, VPC, "not known", "VPC of the network interface"),
    [FIELD_SUBNET_ID] =
        ROW("subnet-id", 3, WORD, VPC, "the flow belongs to a regional NAT gateway, or not known",
            "subnet of the network interface"),
    [FIELD_INSTANCE_ID] =
        ROW("instance-id", 3, WORD, VPC, "no instance, or an interface managed by a service",
            "instance the network interface is attached to"),
    [FIELD_TCP_FLAGS] = ROW(
        "tcp-flags", 3, NUMBER_32, BOTH, NO_FLOW ", and invalid flag combinations",
        "TCP flags or-ed over the interval: FIN 1, SYN 2, RST 4, SYN-ACK 18; 0 when none of them was seen"),
    [FIELD_TYPE] = ROW("type", 3, WORD, BOTH, NO_FLOW, "type of traffic: IPv4, IPv6, EFA"),
    [FIELD_PKT_SRCADDR] = ROW("pkt-srcaddr", 3, ADDRESS, VPC, NO_FLOW, "source address in the packet itself"),
    [FIELD_PKT_DSTADDR] =
        ROW("pkt-dstaddr", 3, ADDRESS, VPC, NO_FLOW, "destination address in the packet itself"),
    [FIELD_REGION] = ROW("region", 4, WORD, BOTH, "not known", "region of the network interface"),
    [FIELD_AZ_ID] = ROW("az-id", 4, WORD, VPC, "the traffic is from a sublocation, or not known",
                        "Availability Zone ID of the network interface"),
    [FIELD_SUBLOCATION_TYPE] = ROW("sublocation-type", 4, WORD, VPC, "the traffic is not from a sublocation",
                                   "kind of sublocation: wavelength, outpost, localzone"),
    [FIELD_SUBLOCATION_ID] =
        ROW("sublocation-id", 4, WORD, VPC, "the traffic is not from a sublocation", "ID of the sublocation"),
    [FIELD_PKT_SRC_AWS_SERVICE] =
        ROW("pkt-src-aws-service", 5, WORD, BOTH, "the address is in no range that AWS publishes",
            "AWS service whose published ranges hold the source address of the packet"),
    [FIELD_PKT_DST_AWS_SERVICE] =
        ROW("pkt-dst-aws-service", 5, WORD, BOTH, "the address is in no range that AWS publishes",
            "AWS service whose published ranges hold the destination address of the packet"),
    [FIELD_FLOW_DIRECTION] = ROW("flow-direction", 5, WORD, BOTH, NO_FLOW,
                                 "ingress or egress, as seen from the network interface"),
    [FIELD_TRAFFIC_PATH] = ROW("traffic-path", 5, NUMBER_32, VPC, "ingress, or a path that has no number",
                               "path of egress traffic: 1 same VPC, 2 internet gateway or gateway endpoint, "
                               "3 virtual private gateway, 4 and 5 VPC peering within a region and between "
                               "regions, 6 Local Zone, 7 gateway endpoint, 8 internet gateway"),
    [FIELD_ECS_CLUSTER_ARN] =
        ROW("ecs-cluster-arn", 7, WORD, VPC, NO_TASK, "ARN of the ECS cluster of the task"),
    [FIELD_ECS_CLUSTER_NAME] =
        ROW("ecs-cluster-name", 7, WORD, VPC, NO_TASK, "name of the ECS cluster of the task"),
    [FIELD_ECS_CONTAINER_INSTANCE_ARN] = ROW("ecs-container-instance-arn", 7, WORD, VPC,
                                             NO_TASK "; on Fargate", "ARN of the ECS container instance"),
    [FIELD_ECS_CONTAINER_INSTANCE_ID] = ROW("ecs-container-instance-id", 7, WORD, VPC, NO_TASK "; on Fargate",
                                            "ID of the ECS container instance"),
    [FIELD_ECS_CONTAINER_ID] =
        ROW("ecs-container-id", 7, WORD, VPC, NO_TASK, "runtime ID of the first container of the task"),
    [FIELD_ECS_SECOND_CONTAINER_ID] =
        ROW("ecs-second-container-id", 7, WORD, VPC, NO_TASK "; the task has one container",
            "runtime ID of the second container of the task"),
    [FIELD_ECS_SERVICE_NAME] = ROW("ecs-service-name", 7, WORD, VPC, NO_TASK "; no service started the task",
                                   "name of the ECS service that started the task"),
    [FIELD_ECS_TASK_DEFINITION_ARN] =
        ROW("ecs-task-definition-arn", 7, WORD, VPC, NO_TASK, "ARN of the ECS task definition"),
    [FIELD_ECS_TASK_ARN] = ROW("ecs-task-arn", 7, WORD, VPC, NO_TASK, "ARN of the ECS task"),
    [FIELD_ECS_TASK_ID] = ROW("ecs-task-id", 7, WORD, VPC, NO_TASK, "ID of the ECS task"),
    [FIELD_REJECT_REASON] =
        ROW("reject-reason", 8, WORD, VPC,
            "ACCEPT, and every other reason, security groups and network ACLs among them",
            "why the traffic was rejected: BPA (VPC Block Public Access), EC (encryption controls)"),
    [FIELD_RESOURCE_ID] = ROW("resource-id", 9, WORD, VPC, "the flow is not on a regional NAT gateway",
                              "regional NAT gateway the network interface belongs to"),
    [FIELD_ENCRYPTION_STATUS] = ROW("encryption-status", 10, NUMBER_32, VPC,
                                    "VPC Encryption Controls are off, or the status is not known",
                                    "0 not encrypted, 1 by the hardware, 2 by the application, 3 by both"),
    [FIELD_INSTANCE_TAG] = ROW("instance-tag", 11, WORD, VPC, NO_TAG,
                               "value of the first configured instance tag, percent-encoded"),
    [FIELD_INSTANCE_TAG_2] = ROW("instance-tag-2", 11, WORD, VPC, NO_TAG,
                                 "value of the second configured instance tag, percent-encoded"),
    [FIELD_INTERFACE_TAG] = ROW("interface-tag", 11, WORD, VPC, NO_TAG,
                                "value of the first configured network interface tag, percent-encoded"),
    [FIELD_INTERFACE_TAG_2] = ROW("interface-tag-2", 11, WORD, VPC, NO_TAG,
                                  "value of the second configured network interface tag, percent-encoded"),
    [FIELD_ASG_TAG] = ROW("asg-tag", 11, WORD, VPC, NO_TAG,
                          "value of the first configured Auto Scaling group tag, percent-encoded"),
    [FIELD_ASG_TAG_2] = ROW("asg-tag-2", 11, WORD, VPC, NO_TAG,
                            "value of the second configured Auto Scaling group tag, percent-encoded"),
    [FIELD_INTERFACE_TYPE] =
        ROW("interface-type", 11, WORD, VPC, "an interface of no service, as that of an instance",
            "type of the network interface: nat_gateway, network_load_balancer, regional_nat_gateway, "
            "transit_gateway, vpc_endpoint"),
    [FIELD_NEXT_HOP_INTERFACE_ID] =
        ROW("next-hop-interface-id", 11, WORD, VPC, NO_NEXT_HOP,
            "egress: interface that receives the traffic; ingress: interface that sent it"),
    [FIELD_NEXT_HOP_SUBNET_ID] =
        ROW("next-hop-subnet-id", 11, WORD, VPC, NO_NEXT_HOP, "subnet of the next hop"),
    [FIELD_NEXT_HOP_AZ_ID] = ROW("next-hop-az-id", 11, WORD, VPC, "the next hop has no interface",
                                 "Availability Zone ID of the next hop"),
    [FIELD_NEXT_HOP_VPC_ID] = ROW("next-hop-vpc-id", 11, WORD, VPC, NO_NEXT_HOP, "VPC of the next hop"),
    [FIELD_NEXT_HOP_INTERFACE_TYPE] = ROW("next-hop-interface-type", 11, WORD, VPC, NO_NEXT_HOP,
                                          "type of the interface of the next hop, as for interface-type"),
    [FIELD_RESOURCE_TYPE] =
        ROW("resource-type", 6, WORD, GATEWAY, "never", "kind of resource that was recorded: TransitGateway"),
    [FIELD_TGW_ID] = ROW("tgw-id", 6, WORD, GATEWAY, "never", "transit gateway the traffic was recorded on"),
    [FIELD_TGW_ATTACHMENT_ID] =
        ROW("tgw-attachment-id", 6, WORD, GATEWAY, "never", "attachment the traffic was recorded on"),
    [FIELD_TGW_SRC_VPC_ACCOUNT_ID] =
        ROW("tgw-src-vpc-account-id", 6, WORD, GATEWAY, "the source is not a VPC",
            "account of the VPC the traffic comes from"),
    [FIELD_TGW_DST_VPC_ACCOUNT_ID] =
        ROW("tgw-dst-vpc-account-id", 6, WORD, GATEWAY, "the destination is not a VPC",
            "account of the VPC the traffic goes to"),
    [FIELD_TGW_SRC_VPC_ID] =
        ROW("tgw-src-vpc-id", 6, WORD, GATEWAY, "the source is not a VPC", "VPC the traffic comes from"),
    [FIELD_TGW_DST_VPC_ID] =
        ROW("tgw-dst-vpc-id", 6, WORD, GATEWAY, "the destination is not a VPC", "VPC the traffic goes to"),
    [FIELD_TGW_SRC_SUBNET_ID] = ROW("tgw-src-subnet-id", 6, WORD, GATEWAY, "the source is not a VPC",
                                    "subnet the traffic comes from"),
    [FIELD_TGW_DST_SUBNET_ID] = ROW("tgw-dst-subnet-id", 6, WORD, GATEWAY, "the destination is not a VPC",
                                    "subnet the traffic goes to"),
    [FIELD_TGW_SRC_ENI] = ROW("tgw-src-eni", 6, WORD, GATEWAY, "the source is not a VPC",
                              "attachment interface the traffic comes from"),
    [FIELD_TGW_DST_ENI] = ROW("tgw-dst-eni", 6, WORD, GATEWAY, "the destination is not a VPC",
                              "attachment interface the traffic goes to"),
    [FIELD_TGW_SRC_AZ_ID] = ROW("tgw-src-az-id", 6, WORD, GATEWAY, "the traffic is from a sublocation",
                                "Availability Zone ID of the source attachment interface"),
    [FIELD_TGW_DST_AZ_ID] = ROW("tgw-dst-az-id", 6, WORD, GATEWAY, "not known",
                                "Availability Zone ID of the destination attachment interface"),
    [FIELD_TGW_PAIR_ATTACHMENT_ID] =
        ROW("tgw-pair-attachment-id", 6, WORD, GATEWAY, "not known",
            "attachment at the other end: where egress came from, where ingress goes to"),
    [FIELD_PACKETS_LOST_NO_ROUTE] = ROW("packets-lost-no-route", 6, NUMBER_64, GATEWAY, NO_FLOW,
                                        "packets dropped because no route matched"),
    [FIELD_PACKETS_LOST_BLACKHOLE] = ROW("packets-lost-blackhole", 6, NUMBER_64, GATEWAY, NO_FLOW,
                                         "packets dropped by a black hole route"),
    [FIELD_PACKETS_LOST_MTU_EXCEEDED] = ROW("packets-lost-mtu-exceeded", 6, NUMBER_64, GATEWAY, NO_FLOW,
                                            "packets dropped because they exceeded the MTU"),
    [FIELD_PACKETS_LOST_TTL_EXPIRED] = ROW("packets-lost-ttl-expired", 6, NUMBER_64, GATEWAY, NO_FLOW,
                                           "packets dropped because their time to live had run out"),
    [FIELD_X_REJECT_SOURCE] = ROW("x-reject-source", 11, WORD, OWN, "ACCEPT, or not certain",
                                  "control that rejected the traffic: netfilter, tc, xdp, cgroup, rpfilter, "
                                  "xfrm, lsm, security-group, network-acl"),
    [FIELD_X_REJECT_RULE] = ROW("x-reject-rule", 11, WORD, OWN, "ACCEPT, or not certain",
                                "rule that rejected the traffic, percent-encoded"),
    [FIELD_X_DROP_REASON] =
        ROW("x-drop-reason", 11, WORD, OWN, "no packet of the flow was dropped, or not certain",
            "reason the kernel gave for dropping the packets, as in NETFILTER_DROP; of SKIPDATA, why most "
            "of the packets have no record: FLOW_MAP_FULL, FLOW_MAP_BUSY, OUT_OF_MEMORY, NOT_DELIVERED, "
            "SPOOL_DAMAGED"),
    [FIELD_X_LOST_PACKETS] = ROW("x-lost-packets", 11, NUMBER_64, OWN, "OK and NODATA records",
                                 "packets that the lost records of the interval would have counted"),
    [FIELD_UNKNOWN] = ROW("unknown", 0, WORD, 0, "never", "column whose name is not in the catalogue"),
};

const char *field_type_name(enum field_type type)
{
    static const char *const names[] = {"INT_32", "INT_64", "STRING"};
    return names[type];
}

int field_find(const char *name, size_t len)
{
    for (int id = 0; id < FIELD_COUNT; id++)
        if (field_catalogue[id].name_len == len && memcmp(field_catalogue[id].name, name, len) == 0)
            return id;
    return -1;
}

const char *field_nearest(const char *name, size_t len)
{
    struct nearest nearest = {.wanted = name, .len = len};
    for (int id = 0; id < FIELD_COUNT; id++)
        nearest_consider(&nearest, field_catalogue[id].name);
    return nearest.name;
}
