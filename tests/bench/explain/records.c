/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the records that `run` asks about, in the default format: requests that some rule of its documents
 * admits or none does, each followed by its answer. records COUNT INTERFACES RULES_OF_A_GROUP RULES START
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state = 1;

/* xorshift*; the same numbers in each run. */
static unsigned below(unsigned bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 0x2545f4914f6cdd1dULL >> 32) % bound);
}

static void write_pair(unsigned interfaces, unsigned group_rules, unsigned rules, unsigned long start)
{
    unsigned interface = below(interfaces);
    unsigned rule = below(rules);
    unsigned host = 1 + below(254);
    unsigned port = 1024 + rule * 100 + below(120);
    unsigned client = 32768 + below(28232);
    unsigned protocol = rule % group_rules % 3 ? 6 : 17;
    char own[32];
    char remote[32];
    (void)snprintf(own, sizeof own, "10.0.%u.%u", interface / 200, interface % 200 + 10);
    (void)snprintf(remote, sizeof remote, "20.%u.%u.%u", rule / 256, rule % 256, host);
    (void)printf("2 123456789012 eni-%017x %s %s %u %u %u 10 1000 %lu %lu ACCEPT OK\n"
                 "2 123456789012 eni-%017x %s %s %u %u %u 8 900 %lu %lu ACCEPT OK\n",
                 interface, remote, own, client, port, protocol, start, start + 9, interface, own, remote,
                 port, client, protocol, start, start + 9);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return EXIT_FAILURE;
    unsigned long pairs = strtoul(argv[1], NULL, 10) / 2;
    for (unsigned long i = 0; i < pairs; i++)
        write_pair((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10),
                   (unsigned)strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10) + i / 1000);
    return ferror(stdout) || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
