/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/advice.h"

#include "base/macro.h"
#include "bpf/parse.h"

/* ACCEPT says that the network let it pass, never that all is well. */
static const char *const outcomes[OUTCOMES] = {
    [OUTCOME_ACCEPTED] =
        ("The network let the request and its answer through. Whether the service works is for its own log "
         "to say."),
    [OUTCOME_REJECTED_REQUEST] =
        ("The request was stopped. Look at the inbound rules of the destination's security groups and "
         "network ACL, and the outbound ones of the source's."),
    [OUTCOME_REJECTED_RESPONSE] =
        ("The request was let through and its answer stopped: a control without connection tracking, "
         "as a network ACL that does not allow the client's ephemeral ports."),
    [OUTCOME_NO_RESPONSE] =
        ("The request was let through and nothing came back. Look behind the network: the host's own "
         "firewall, whether something listens, the route back, the path MTU."),
    [OUTCOME_REFUSED] =
        ("The host itself answered with a reset: nothing listens on that port, or the service turned the "
         "client away."),
    [OUTCOME_ONE_WAY] = ("Only one direction is in the records. Look for another path (asymmetric routing) "
                         "and for interfaces "
                         "that are not recorded."),
    [OUTCOME_ABSENT] = ("The records are complete and no such traffic is in them: it never reached these "
                        "interfaces. Look at "
                        "the client: name resolution, address, route, its own firewall."),
    [OUTCOME_UNKNOWN] = "The records do not suffice to say whether there was such traffic.",
};

/* Of an answer that is stopped, after what is particular to the service. */
#define STOPPED_BY_ACL(particular)                                                                           \
    (particular " Only a control without memory stops an answer whose request it let in: the network ACL "   \
                "must allow the client's ephemeral ports (1024 to 65535) out of the server's subnet, and "   \
                "into the client's.")

static const struct service {
    uint16_t port;
    bool tcp;
    bool udp;
    const char *texts[OUTCOMES];
} services[] = {
    {.port = 22,
     .tcp = true,
     .texts =
         {
             [OUTCOME_ACCEPTED] =
                 ("SSH: packets go both ways, so the login is not the network's matter: read sshd's log "
                  "(journalctl -u "
                  "ssh), then keys, user name and known hosts. If it hangs after \"Connecting\", large "
                  "packets of the key "
                  "exchange may be lost where small ones pass: try ping -M do -s 1472 for the path MTU."),
             [OUTCOME_REJECTED_REQUEST] =
                 ("SSH: allow TCP 22 from the client's address, not from everywhere, "
                  "in a security group of the server; or "
                  "do without it by Session Manager or a bastion."),
             [OUTCOME_REJECTED_RESPONSE] = STOPPED_BY_ACL("SSH: the SYN got in and the SYN-ACK not out."),
             [OUTCOME_NO_RESPONSE] = ("SSH: the SYN reached the server's interface, and no SYN-ACK left it. "
                                      "On its console: does sshd listen "
                                      "(ss -ltn), does the host's own firewall drop it (nft list ruleset), "
                                      "does a route lead back to the "
                                      "client (ip route get)?"),
             [OUTCOME_REFUSED] = ("SSH: the host is up and reachable, and no sshd listens there: systemctl "
                                  "status ssh, and Port and "
                                  "ListenAddress in sshd_config."),
         }},
    {.port = 3389,
     .tcp = true,
     .udp = true,
     .texts =
         {
             [OUTCOME_ACCEPTED] = ("RDP: the ports are open both ways. A failing session is for Windows to "
                                   "explain: Network Level "
                                   "Authentication, certificates, the list of users that may sign in, the "
                                   "event log TerminalServices."),
             [OUTCOME_REJECTED_REQUEST] =
                 ("RDP: allow TCP 3389 (and UDP 3389 for speed) from the client's address alone, or use "
                  "Fleet "
                  "Manager "
                  "or a gateway: RDP that is open to everywhere is found within minutes."),
             [OUTCOME_REJECTED_RESPONSE] = STOPPED_BY_ACL("RDP: the server answers and is not let out."),
             [OUTCOME_NO_RESPONSE] = ("RDP: the SYN reached the server's interface and nothing came back. "
                                      "Windows Firewall drops without a "
                                      "word: look at the rule group Remote Desktop and the network profile; "
                                      "then whether TermService runs."),
             [OUTCOME_REFUSED] = ("RDP: Windows is up and refuses: Remote Desktop is switched off, or it "
                                  "listens on another port."),
         }},
    {.port = 53,
     .tcp = true,
     .udp = true,
     .texts =
         {
             [OUTCOME_ACCEPTED] = ("DNS: questions and answers pass. Whether the answer is right, dig tells; "
                                   "queries to the VPC's own "
                                   "resolver (the third address of its block) are never in flow logs, "
                                   "Resolver query logs have them."),
             [OUTCOME_REJECTED_REQUEST] =
                 "DNS: allow port 53 by UDP and by TCP: large answers are asked for again by TCP.",
             [OUTCOME_REJECTED_RESPONSE] = STOPPED_BY_ACL("DNS: the answer is stopped on its way back."),
             [OUTCOME_NO_RESPONSE] = ("DNS: the question arrived and no answer left. Does the name server "
                                      "listen on this address (ss -lun), "
                                      "does it serve this client (allow-query, refused clients are sometimes "
                                      "dropped), does its host's firewall "
                                      "let it in?"),
             [OUTCOME_REFUSED] = "DNS: nothing serves TCP 53 there; a server may answer by UDP all the same.",
             [OUTCOME_ABSENT] = ("DNS: the client may ask another server: /etc/resolv.conf, the VPC's DHCP "
                                 "options. Queries to the VPC's "
                                 "own resolver are never recorded."),
         }},
    {.port = 443,
     .tcp = true,
     .udp = true,
     .texts =
         {
             [OUTCOME_ACCEPTED] = ("HTTPS: the connection is made. Errors beyond it are TLS or the "
                                   "application: curl -v tells the "
                                   "certificate and the status, the server's access log whether the request "
                                   "arrived. A hang after the "
                                   "ClientHello points to the path MTU."),
             [OUTCOME_REJECTED_REQUEST] = ("HTTPS: allow TCP 443 from the clients; behind a load balancer, "
                                           "from its security group rather than from "
                                           "the clients."),
             [OUTCOME_REJECTED_RESPONSE] = STOPPED_BY_ACL("HTTPS: the server's answer is not let out."),
             [OUTCOME_NO_RESPONSE] =
                 ("HTTPS: the SYN arrived and nothing came back: is the web server up and its backlog not "
                  "full (ss -ltn), "
                  "does the host's firewall drop, does its default route lead back the way the request "
                  "came?"),
             [OUTCOME_REFUSED] =
                 ("HTTPS: the host answers and nothing listens on 443: the server is down, or "
                  "listens on 127.0.0.1 only."),
             [OUTCOME_ABSENT] = ("HTTPS: perhaps the name resolves to another address (dig), a proxy stands "
                                 "between, or a load balancer "
                                 "has no healthy target and never passes requests on."),
         }},
    {.port = 80,
     .tcp = true,
     .texts =
         {
             [OUTCOME_ACCEPTED] =
                 "HTTP: the connection is made; curl -v and the server's access log tell the rest.",
             [OUTCOME_NO_RESPONSE] = ("HTTP: the SYN arrived and nothing came back: does the server listen "
                                      "(ss -ltn), does the host's firewall "
                                      "drop, does a route lead back?"),
             [OUTCOME_REFUSED] = ("HTTP: the host answers and nothing listens on 80: the server is down, or "
                                  "listens on 127.0.0.1 only."),
         }},
};

static const char *const database_texts[OUTCOMES] = {
    [OUTCOME_ACCEPTED] =
        ("Database: the connection is made. What fails now is signing in, TLS or the pool: "
         "read the server's log; many "
         "short conversations in a row are a client that is turned away after the handshake."),
    [OUTCOME_REJECTED_REQUEST] = ("Database: allow this port from the security group of the application, not "
                                  "from addresses that change."),
    [OUTCOME_REJECTED_RESPONSE] = STOPPED_BY_ACL("Database: its answer is not let out."),
    [OUTCOME_NO_RESPONSE] =
        ("Database: the SYN arrived and nothing came back: a fail-over or restart, a full "
         "connection queue, the host's "
         "firewall, or a missing route back (peered VPCs need one on both sides)."),
    [OUTCOME_REFUSED] = ("Database: the host is up and the database does not listen there: it is starting, "
                         "stopped, listens on 127.0.0.1 "
                         "only (bind-address, listen_addresses), or was moved."),
    [OUTCOME_ABSENT] = ("Database: after a fail-over its name leads elsewhere; a client that keeps the old "
                        "address asks the wrong host."),
};

static const char *const ping_texts[OUTCOMES] = {
    [OUTCOME_ACCEPTED] = ("Ping: the host answers. That says nothing of its services: ask again with --port "
                          "for the one that matters."),
    [OUTCOME_REJECTED_REQUEST] = ("Ping: ICMP has to be allowed by itself (echo request, type 8; ICMPv6 type "
                                  "128): rules for TCP do not cover it."),
    [OUTCOME_REJECTED_RESPONSE] = ("Ping: the request got in and the reply not out: network ACLs must allow "
                                   "ICMP both ways, echo reply is type 0 "
                                   "(ICMPv6 129)."),
    [OUTCOME_NO_RESPONSE] = ("Ping: the request arrived and no reply left: many hosts are set not to answer "
                             "(Windows Firewall by default, "
                             "net.ipv4.icmp_echo_ignore_all), so this does not mean that the host is down."),
    [OUTCOME_ABSENT] =
        "Ping: the request never came this far: traceroute from the client shows where it ends.",
};

static bool is_database(uint16_t port)
{
    static const uint16_t ports[] = {1433, 1521, 3306, 5432, 5439, 6379, 9042, 9200, 11211, 27017};
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        if (ports[i] == port)
            return true;
    return false;
}

const char *advice_of_outcome(enum outcome outcome)
{
    return outcomes[outcome];
}

const char *advice_of_service(enum outcome outcome, uint8_t protocol, uint16_t port)
{
    bool is_tcp = protocol == PROTOCOL_TCP;
    bool is_udp = protocol == PROTOCOL_UDP;
    if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6)
        return ping_texts[outcome];
    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (services[i].port == port && ((is_tcp && services[i].tcp) || (is_udp && services[i].udp)))
            return services[i].texts[outcome];
    return is_tcp && is_database(port) ? database_texts[outcome] : NULL;
}
