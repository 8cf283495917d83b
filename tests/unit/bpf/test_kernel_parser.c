/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's copy of the parser against the host's: every frame of the sample captures, and cuts of each,
 * goes through the real program (BPF_PROG_TEST_RUN), and the flow it leaves in the map must be the one that
 * the host build of parse.h makes of the same bytes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpf/parse.h"
#include "capture/link.h"
#include "capture/pcap.h"
#include "flow.skel.h"

enum { FRAME_MIN = 14, FRAME_ALWAYS_RUN = 54, FRAMES = 16, SKIPPED = 77, FRAMES_EXPECTED = 500 };

static const char *captures;
static struct flow_bpf *bpf;

/* False when the kernel does not run programs on so short a frame. */
static bool run_frame(const uint8_t *data, uint32_t len)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data, .data_size_in = len);
    int r = bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.ingress_ethernet), &options);
    if (r < 0 && errno == EINVAL && len < FRAME_ALWAYS_RUN)
        return false;
    assert_int_equal(r, 0);
    assert_int_equal((int)options.retval, -1); /* "next": the packet goes on */
    return true;
}

static void expect_flow(const struct packet *packet, const struct flow_key *key,
                        const struct flow_tally *tally)
{
    assert_memory_equal(key->source, packet->source, 16);
    assert_memory_equal(key->destination, packet->destination, 16);
    assert_int_equal(key->source_port, packet->source_port);
    assert_int_equal(key->destination_port, packet->destination_port);
    assert_int_equal(key->protocol, packet->protocol);
    assert_int_equal(key->family, packet->family);
    assert_int_equal(tally->packets, 1);
    assert_int_equal(tally->bytes, packet->bytes);
    assert_int_equal(tally->fin, packet->tcp_flags & 1);
    assert_int_equal(tally->rst, (packet->tcp_flags & 4) != 0);
    assert_int_equal(tally->syn, (packet->tcp_flags & 18) == 2);
    assert_int_equal(tally->syn_ack, (packet->tcp_flags & 18) == 18);
}

/* The slot that the frame's flow has taken, which is freed; false when there is none. */
static bool take_slot(struct flow_slot *ret)
{
    static const struct flow_slot empty;
    static const uint64_t none;
    int fd = bpf_map__fd(bpf->maps.flow_tags);
    unsigned found = 0;
    for (uint32_t i = 0; i < bpf_map__max_entries(bpf->maps.flow_tags); i++) {
        uint64_t tags = 0;
        uint32_t slot = i * FLOW_WAYS;
        assert_int_equal(bpf_map_lookup_elem(fd, &i, &tags), 0);
        if (!tags)
            continue;
        assert_int_equal(tags >> 16, 0); /* one frame, one flow */
        assert_int_equal(bpf_map_update_elem(fd, &i, &none, BPF_ANY), 0);
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bpf->maps.flow_slots), &slot, ret), 0);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpf->maps.flow_slots), &slot, &empty, BPF_ANY), 0);
        found++;
    }
    assert_true(found <= 1);
    return found;
}

static void check_frame(const uint8_t *data, uint32_t len)
{
    struct packet_view view = {.data = data, .end = data + len};
    struct packet packet;
    enum parse_result result = parse_ethernet(&view, len, &packet);
    if (!run_frame(data, len))
        return;
    struct flow_slot slot;
    bool found = take_slot(&slot);
    assert_int_equal(found, result == PARSE_IP);
    if (found)
        expect_flow(&packet, &slot.key, &slot.value.total);
}

static unsigned check_capture(const char *path)
{
    struct fault fault = {0};
    struct pcap *pcap = NULL;
    struct pcap_frame frames[FRAMES];
    unsigned checked = 0;
    int count;
    if (pcap_open(&pcap, path, &fault) < 0)
        return 0;
    while ((count = pcap_read(pcap, frames, FRAMES, &fault)) > 0)
        for (int i = 0; i < count; i++) {
            if (frames[i].link != LINK_ETHERNET || frames[i].captured < FRAME_MIN ||
                frames[i].captured > 4000)
                continue;
            check_frame(frames[i].data, frames[i].captured);
            for (uint32_t cut = FRAME_MIN; cut < frames[i].captured && cut < 80; cut += 7)
                check_frame(frames[i].data, cut);
            checked++;
        }
    pcap_close(pcap);
    return checked;
}

static void test_kernel_and_host_agree(void **state)
{
    (void)state;
    AUTO_CLOSEDIR DIR *folder = opendir(captures);
    assert_non_null(folder);
    unsigned checked = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", captures, entry->d_name);
        if (strstr(entry->d_name, ".pcap"))
            checked += check_capture(path);
    }
    print_message("%u frames\n", checked);
    assert_true(checked > FRAMES_EXPECTED);
}

int main(int argc, char **argv)
{
    if (geteuid() != 0) {
        (void)puts("skipped: loading a program into the kernel needs root");
        return SKIPPED;
    }
    captures = argc > 1 ? argv[1] : ".";
    int cpus = libbpf_num_possible_cpus();
    bpf = flow_bpf__open();
    if (bpf && cpus > 0) {
        bpf->rodata->flow_cpus = (uint32_t)cpus;
        (void)bpf_map__set_max_entries(bpf->maps.flow_tags, FLOW_GENERATIONS * (uint32_t)cpus);
        (void)bpf_map__set_max_entries(bpf->maps.flow_slots, FLOW_GENERATIONS * (uint32_t)cpus * FLOW_WAYS);
    }
    if (!bpf || flow_bpf__load(bpf) < 0) {
        (void)fprintf(stderr, "cannot load the programs: %s\n", strerror(errno));
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernel_and_host_agree)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    flow_bpf__destroy(bpf);
    return failed;
}
