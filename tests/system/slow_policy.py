# SPDX-License-Identifier: Apache-2.0
"""AWS's rules for a packet at an interface, evaluated one rule at a time by the words of its documentation.

Made apart from src/policy and sharing nothing with it, so that the two can be held against each other; slow on purpose.
"""

import ipaddress
import itertools

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
NAMES = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
ANSWERS = {ICMP: {0: 8, 9: 10, 14: 13, 16: 15, 18: 17}, ICMPV6: {129: 128, 134: 133, 136: 135}}


def number(protocol):
    return NAMES[protocol] if protocol in NAMES else int(protocol)


class Packet:
    """`remote` and `local` are addresses as text; `icmp` is (type, code)."""

    def __init__(self, egress, protocol, remote, local, remote_port=0, local_port=0, icmp=None, flags=0):
        self.egress, self.protocol, self.flags = egress, protocol, flags
        self.remote, self.local = ipaddress.ip_address(remote), ipaddress.ip_address(local)
        self.remote_port, self.local_port, self.icmp = remote_port, local_port, icmp

    @property
    def destination_port(self):
        return self.remote_port if self.egress else self.local_port

    def turned(self):
        return Packet(not self.egress, self.protocol, str(self.remote), str(self.local), self.remote_port,
                      self.local_port, self.icmp, 0)

    def key(self):
        ports = (self.remote_port, self.local_port) if self.protocol in (TCP, UDP) else (0, 0)
        return self.protocol, self.remote, self.local, *ports


class Policy:
    def __init__(self, documents, interface_id):
        self.groups = {group["GroupId"]: group for group in documents["SecurityGroups"]}
        self.interfaces = {one["NetworkInterfaceId"]: one for one in documents["NetworkInterfaces"]}
        self.lists = {one["PrefixListId"]: one["Cidrs"] for one in documents.get("PrefixLists", [])}
        self.interface = self.interfaces[interface_id]
        self.subnet = next(one for one in documents["Subnets"] if one["SubnetId"] == self.interface["SubnetId"])
        self.acl = next(acl for acl in documents["NetworkAcls"]
                        if any(tie["SubnetId"] == self.subnet["SubnetId"] for tie in acl["Associations"]))

    def blocks_of_subnet(self):
        return [self.subnet["CidrBlock"], *(one["Ipv6CidrBlock"] for one in
                                            self.subnet.get("Ipv6CidrBlockAssociationSet", []))]

    def members(self, group_id):
        for one in self.interfaces.values():
            if any(group["GroupId"] == group_id for group in one["Groups"]):
                yield from (each["PrivateIpAddress"] for each in one["PrivateIpAddresses"])
                yield from (each["Ipv6Address"] for each in one.get("Ipv6Addresses", []))

    def sources(self, permission):
        """(block, open to all) for each source of a permission."""
        for one in itertools.chain(permission["IpRanges"], permission["Ipv6Ranges"]):
            block = one.get("CidrIp") or one["CidrIpv6"]
            yield block, block in ("0.0.0.0/0", "::/0")
        for one in permission["PrefixListIds"]:
            yield from ((block, False) for block in self.lists[one["PrefixListId"]])
        for one in permission["UserIdGroupPairs"]:
            yield from ((address, False) for address in self.members(one["GroupId"]))

    def permissions(self, egress):
        for group in self.interface["Groups"]:
            for permission in self.groups[group["GroupId"]]["IpPermissionsEgress" if egress else "IpPermissions"]:
                yield group["GroupId"], permission

    def admitting(self, packet):
        """The (group, open to all) of every rule that admits the packet."""
        for group_id, permission in self.permissions(packet.egress):
            if not fits_permission(permission, packet):
                continue
            for block, is_open in self.sources(permission):
                if packet.remote in ipaddress.ip_network(block):
                    yield group_id, is_open

    def opens_everything(self, egress, protocol, version):
        """Whether a rule of that direction lets every port of the protocol from or to everywhere."""
        for _, permission in self.permissions(egress):
            wanted = permission["IpProtocol"]
            whole = wanted == "-1" or (number(wanted) == protocol and permission["FromPort"] in (0, -1)
                                       and permission["ToPort"] in (65535, -1))
            if whole and any(is_open and ipaddress.ip_network(block).version == version
                             for block, is_open in self.sources(permission)):
                return True
        return False

    def is_tracked(self, packet, admitting):
        if packet.protocol not in (TCP, UDP):
            return True
        return not (any(is_open for _, is_open in admitting)
                    and self.opens_everything(not packet.egress, packet.protocol, packet.remote.version))

    def acl_entry(self, packet):
        """(number, action) of the first entry that matches; None when the packet stays in the subnet."""
        if any(packet.remote in ipaddress.ip_network(block) for block in self.blocks_of_subnet()):
            return None
        for entry in sorted(self.acl["Entries"], key=lambda entry: entry["RuleNumber"]):
            block = entry.get("CidrBlock") or entry["Ipv6CidrBlock"]
            if entry["Egress"] == packet.egress and packet.remote in ipaddress.ip_network(block) \
                    and fits_entry(entry, packet):
                return entry["RuleNumber"], entry["RuleAction"]
        return (32768 if packet.remote.version == 6 else 32767), "deny"

    def decide(self, packet, is_reply=False):
        """(verdict, decided by, admitting rules, entry consulted); is_reply: of a tracked connection."""
        admitting = [] if is_reply else list(self.admitting(packet))
        entry = self.acl_entry(packet)
        acl_denies = entry is not None and entry[1] == "deny"
        groups_deny = not is_reply and not admitting
        if not packet.egress and acl_denies:
            return "REJECT", "network-acl", [], entry
        if groups_deny:
            return "REJECT", "security-group", [], None if packet.egress else entry
        if acl_denies:
            return "REJECT", "network-acl", admitting, entry
        return "ACCEPT", "connection" if is_reply else "security-group", admitting, entry


def fits_permission(permission, packet):
    if permission["IpProtocol"] == "-1":
        return True
    if number(permission["IpProtocol"]) != packet.protocol:
        return False
    low, high = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if packet.protocol in (TCP, UDP):
        return (0 if low == -1 else low) <= packet.destination_port <= (65535 if high == -1 else high)
    if packet.protocol in (ICMP, ICMPV6):
        return low == -1 or (low == packet.icmp[0] and high in (-1, packet.icmp[1]))
    return True


def fits_entry(entry, packet):
    protocol = int(entry["Protocol"])
    if protocol == -1:
        return True
    if protocol != packet.protocol:
        return False
    if protocol in (TCP, UDP) and "PortRange" in entry:
        return entry["PortRange"]["From"] <= packet.destination_port <= entry["PortRange"]["To"]
    if protocol in (ICMP, ICMPV6) and "IcmpTypeCode" in entry:
        kind, code = entry["IcmpTypeCode"]["Type"], entry["IcmpTypeCode"]["Code"]
        return kind == -1 or (kind == packet.icmp[0] and code in (-1, packet.icmp[1]))
    return True


class Tracker:
    """Connection tracking, packet by packet, without time-outs: for captures of a few seconds."""

    def __init__(self, policy):
        self.policy = policy
        self.begun = {}  # key: egress of the packet that began it

    def decide(self, packet):
        began = self.begun.get(packet.key())
        is_reply = began is not None and began != packet.egress and can_answer(packet)
        answer = self.policy.decide(packet, is_reply)
        if answer[0] == "ACCEPT" and not is_reply and can_begin(packet) \
                and self.policy.is_tracked(packet, answer[2]):
            self.begun[packet.key()] = packet.egress
        return answer


def can_answer(packet):
    if packet.protocol == TCP:
        return packet.flags & 0x12 != 0x02
    return packet.protocol not in ANSWERS or packet.icmp[0] in ANSWERS[packet.protocol]


def can_begin(packet):
    return packet.protocol not in ANSWERS or packet.icmp[0] in ANSWERS[packet.protocol].values()
