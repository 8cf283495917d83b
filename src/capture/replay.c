/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/macro.h"
#include "capture/busiest.h"
#include "capture/link.h"
#include "capture/pcap.h"
#include "capture/window_set.h"
#include "flow/emit.h"

enum { FRAMES = 64, PROGRESS_FRAMES = 1 << 16 };

struct replay {
    const struct replay_options *options;
    struct interface *interface;
    const struct format *format;
    struct output *output;
    struct replay_counts *counts;
    struct fault *fault;
    struct window_set windows;
    struct emit emit;
    bool identified;      /* the own addresses are settled, and emit is ready */
    bool damaged;         /* a file could not be read to its end */
    uint64_t bytes_read;  /* of files that are done */
    uint64_t bytes_total; /* 0 when nobody knows */
};

static void pcap_cleanup(struct pcap **pcap)
{
    pcap_close(*pcap);
}

static void tell(const struct replay *replay, const char *line)
{
    replay->options->tell(replay->options->context, line);
}

static int out_of_memory(const struct replay *replay)
{
    return fault_set(replay->fault, -ENOMEM, "out of memory with %zu flows: lower --max-flows",
                     replay->windows.flows);
}

static enum parse_result parse_frame(const struct pcap_frame *frame, struct packet *ret)
{
    struct packet_view view = {.data = frame->data, .end = frame->data + frame->captured};
    return link_parse(frame->link, &view, frame->length, ret);
}

static void fill_flow(struct flow *flow, const struct packet *packet)
{
    memcpy(flow->source, packet->source, sizeof flow->source);
    memcpy(flow->destination, packet->destination, sizeof flow->destination);
    flow->source_port = packet->source_port;
    flow->destination_port = packet->destination_port;
    flow->interface = 0;
    flow->protocol = packet->protocol;
    flow->bits = packet->family == 6 ? FLOW_BIT_IPV6 : 0;
    flow->reject = REJECT_NONE;
    flow->tcp_flags = packet->tcp_flags;
    flow->drop_reason = 0;
    flow->packets = 1;
    flow->bytes = packet->bytes;
}

/* Counts all packets of a file for their addresses. */
static int survey_file(const char *path, struct busiest *busiest)
{
    CLEANUP(pcap_cleanup) struct pcap *pcap = NULL;
    struct pcap_frame frames[FRAMES];
    int r = pcap_open(&pcap, path, NULL);
    while (r >= 0 && (r = pcap_read(pcap, frames, FRAMES, NULL)) > 0) {
        for (int i = 0; i < r; i++) {
            struct packet packet;
            struct flow flow;
            if (parse_frame(&frames[i], &packet) != PARSE_IP)
                continue;
            fill_flow(&flow, &packet);
            busiest_add(busiest, &flow);
        }
    }
    return r;
}

static bool can_be_read_again(const struct replay_options *options)
{
    for (size_t i = 0; i < options->file_count; i++) {
        struct stat status;
        if (strcmp(options->files[i], "-") == 0 || stat(options->files[i], &status) < 0 ||
            !S_ISREG(status.st_mode))
            return false;
    }
    return true;
}

static void survey_windows(const struct replay *replay, struct busiest *busiest)
{
    for (size_t i = 0; i < replay->windows.count; i++) {
        size_t position = 0;
        for (const struct flow *flow; (flow = flow_table_next(&replay->windows.open[i]->table, &position));)
            busiest_add(busiest, flow);
    }
}

static void survey(const struct replay *replay, bool files, struct busiest *busiest)
{
    while (busiest_next_pass(busiest)) {
        if (!files)
            survey_windows(replay, busiest);
        for (size_t i = 0; files && i < replay->options->file_count; i++)
            (void)survey_file(replay->options->files[i],
                              busiest); /* its damage is told when it is replayed */
    }
}

/* With `whole` everything is in the open windows; else the files are read once more for this alone. */
static int find_own_address(struct replay *replay, bool whole)
{
    CLEANUP(busiest_done) struct busiest busiest;
    if (busiest_init(&busiest, replay->options->max_flows) < 0)
        return out_of_memory(replay);
    bool again = !whole && can_be_read_again(replay->options);
    survey(replay, again, &busiest);
    struct address address;
    if (!busiest_result(&busiest, &address))
        return 0;
    if (interface_add_address(replay->interface, &address) < 0)
        return out_of_memory(replay);
    if (whole || again)
        return 0;
    char text[ADDRESS_TEXT_MAX];
    char line[256];
    (void)snprintf(
        line, sizeof line,
        "the input is larger than --max-flows and cannot be read twice: took %.*s, the busiest address "
        "so far, for the interface's own; name it with --address",
        (int)address_format(text, address.bytes, address.family), text);
    tell(replay, line);
    return 0;
}

static void derive_id(struct interface *interface)
{
    struct address none = {0};
    const struct address *address = interface->address_count ? &interface->addresses[0] : &none;
    (void)snprintf(interface->identity.interface_id, sizeof interface->identity.interface_id,
                   "eni-0%016" PRIx64, hash_bytes(address->bytes, sizeof address->bytes, address->family));
}

static int identify(struct replay *replay, bool whole)
{
    if (replay->identified)
        return 0;
    int r = replay->interface->address_count ? 0 : find_own_address(replay, whole);
    if (r < 0)
        return r;
    if (!replay->interface->identity.interface_id[0])
        derive_id(replay->interface);
    emit_init(&replay->emit, replay->interface, replay->format, NULL);
    if (replay->options->judge) {
        replay->emit.reject_rule_name = replay->options->judge->rule_name;
        replay->emit.context = replay->options->judge->context;
    }
    replay->identified = true;
    return 0;
}

static bool is_wanted(enum replay_traffic traffic, const struct flow *flow)
{
    return traffic == REPLAY_ALL || (traffic == REPLAY_REJECT) == (flow->reject != REJECT_NONE);
}

static int write_window(struct replay *replay, const struct flow_table *table)
{
    replay->counts->windows++;
    size_t position = 0;
    for (struct flow *flow; (flow = flow_table_next(table, &position));) {
        if (!is_wanted(replay->options->traffic, flow))
            continue;
        if (interface_owns(replay->interface, flow->source, flow->bits & FLOW_BIT_IPV6 ? 6 : 4))
            flow->bits |= FLOW_BIT_EGRESS;
        int r = output_write(replay->output, emit_flow(&replay->emit, flow, table->window), replay->fault);
        if (r < 0)
            return r;
        replay->counts->records++;
    }
    return 0;
}

/* The bound is reached: the oldest windows are written and closed. */
static int make_room(struct replay *replay)
{
    struct window_set *windows = &replay->windows;
    if (window_set_flush_all(windows) < 0)
        return out_of_memory(replay);
    int r = identify(replay, false);
    if (r < 0)
        return r;
    window_set_sort(windows);
    size_t closing = window_set_surplus(windows);
    for (size_t i = 0; i < closing; i++) {
        r = write_window(replay, &windows->open[i]->table);
        if (r < 0)
            return r;
    }
    replay->counts->closed_early += closing;
    return window_set_close(windows, closing) < 0 ? out_of_memory(replay) : 0;
}

/* The window of a packet that is not in the window of the packet before. */
static int change_window(struct replay *replay, uint64_t second, struct window **ret)
{
    int r = window_set_is_full(&replay->windows) ? make_room(replay) : 0;
    if (r < 0)
        return r;
    *ret = window_set_find(&replay->windows, second);
    return *ret ? 0 : out_of_memory(replay);
}

static void judge_packet(const struct replay *replay, const struct packet *packet, uint64_t second,
                         struct flow *flow)
{
    const struct replay_judge *judge = replay->options->judge;
    if (!judge)
        return;
    bool egress = interface_owns(replay->interface, packet->source, packet->family);
    flow->reject = judge->judge(judge->context, packet, egress, second, &flow->drop_reason);
}

static int count_packet(struct replay *replay, const struct packet *packet, uint64_t second)
{
    struct window_set *windows = &replay->windows;
    struct window *window = windows->last;
    if (!window || second - window->table.window >= windows->interval) {
        int r = change_window(replay, second, &window);
        if (r < 0)
            return r;
    }
    struct flow *flow = &window->batch[window->pending++];
    fill_flow(flow, packet);
    judge_packet(replay, packet, second, flow);
    flow->first_s = flow->last_s = (uint16_t)(second - window->table.window);
    replay->counts->packets++;
    replay->counts->bytes += packet->bytes;
    if (window->pending < WINDOW_BATCH)
        return 0;
    if (window_set_flush(windows, window) < 0)
        return out_of_memory(replay);
    return window_set_is_full(windows) ? make_room(replay) : 0;
}

static int count_frame(struct replay *replay, const struct pcap_frame *frame)
{
    struct packet packet;
    replay->counts->frames++;
    if (frame->link == LINK_UNSUPPORTED) {
        replay->counts->unsupported++;
        return 0;
    }
    switch (parse_frame(frame, &packet)) {
    case PARSE_IP:
        return count_packet(replay, &packet, frame->second);
    case PARSE_NOT_IP:
        replay->counts->not_ip++;
        return 0;
    case PARSE_MALFORMED:
        replay->counts->malformed++;
        return 0;
    }
    return 0;
}

static void show_progress(const struct replay *replay, const struct pcap *pcap)
{
    uint64_t read;
    uint64_t size;
    pcap_progress(pcap, &read, &size);
    replay->options->progress(replay->options->context, replay->bytes_read + read, replay->bytes_total,
                              replay->counts->packets);
}

static void tell_unsupported(struct replay *replay, const struct pcap *pcap, const char *path,
                             uint64_t frames)
{
    char line[512];
    uint32_t link_type = pcap_unsupported_link(pcap);
    (void)snprintf(line, sizeof line,
                   "%.300s: link type %" PRIu32 " (%s) is not supported: %" PRIu64 " packets left out", path,
                   link_type, link_name(link_type), frames);
    tell(replay, line);
    replay->damaged = true;
}

static int replay_frames(struct replay *replay, struct pcap *pcap)
{
    struct pcap_frame frames[FRAMES];
    struct fault fault;
    uint64_t until_progress = 0;
    int count;
    while ((count = pcap_read(pcap, frames, FRAMES, &fault)) > 0) {
        for (int i = 0; i < count; i++) {
            int r = count_frame(replay, &frames[i]);
            if (r < 0)
                return r;
        }
        until_progress += (unsigned)count;
        if (replay->options->progress && until_progress >= PROGRESS_FRAMES) {
            until_progress = 0;
            show_progress(replay, pcap);
        }
    }
    if (count == 0) {
        replay->counts->files++;
        return 0;
    }
    tell(replay, fault.text);
    replay->damaged = true;
    return 0;
}

static int replay_file(struct replay *replay, const char *path)
{
    CLEANUP(pcap_cleanup) struct pcap *pcap = NULL;
    struct fault fault;
    if (pcap_open(&pcap, path, &fault) < 0) {
        tell(replay, fault.text);
        replay->damaged = true;
        return 0;
    }
    uint64_t unsupported_before = replay->counts->unsupported;
    int r = replay_frames(replay, pcap);
    if (r == 0 && replay->counts->unsupported > unsupported_before)
        tell_unsupported(replay, pcap, path, replay->counts->unsupported - unsupported_before);
    uint64_t read;
    uint64_t size;
    pcap_progress(pcap, &read, &size);
    replay->bytes_read += read;
    return r;
}

static int write_gap(struct replay *replay, uint64_t from, uint64_t to)
{
    uint32_t interval = replay->options->interval;
    if (to - from > REPLAY_GAP_MAX_SECONDS) {
        char line[160];
        (void)snprintf(line, sizeof line,
                       "no packets from %" PRIu64 " to %" PRIu64
                       " (seconds since the epoch): too long for NODATA lines",
                       from, to);
        tell(replay, line);
        return 0;
    }
    for (uint64_t window = from; window < to; window += interval) {
        int r = output_write(replay->output, emit_nodata(&replay->emit, window, interval), replay->fault);
        if (r < 0)
            return r;
        replay->counts->nodata++;
    }
    return 0;
}

/* What is open, and lines for the windows that never were, in the order of time. */
static int write_rest(struct replay *replay)
{
    struct window_set *windows = &replay->windows;
    AUTO_FREE uint64_t *starts = NULL;
    size_t count = 0;
    if (window_set_flush_all(windows) < 0 || window_set_starts(windows, &starts, &count) < 0)
        return out_of_memory(replay);
    int r = identify(replay, windows->closed_count == 0);
    window_set_sort(windows);
    size_t next_open = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (i > 0 && replay->options->nodata)
            r = write_gap(replay, starts[i - 1] + windows->interval, starts[i]);
        if (r == 0 && next_open < windows->count && windows->open[next_open]->table.window == starts[i])
            r = write_window(replay, &windows->open[next_open++]->table);
    }
    return r;
}

static uint64_t total_size(const struct replay_options *options)
{
    uint64_t total = 0;
    for (size_t i = 0; i < options->file_count; i++) {
        struct stat status;
        if (stat(options->files[i], &status) < 0 || !S_ISREG(status.st_mode))
            return 0;
        total += (uint64_t)status.st_size;
    }
    return total;
}

static int run(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->file_count; i++) {
        int r = replay_file(replay, replay->options->files[i]);
        if (r < 0)
            return r;
    }
    int r = write_rest(replay);
    return r == 0 && replay->damaged ? -EBADMSG : r;
}

int replay_run(const struct replay_options *options, struct interface *interface, const struct format *format,
               struct output *output, struct replay_counts *ret, struct fault *fault)
{
    *ret = (struct replay_counts){0};
    struct replay replay = {.options = options,
                            .interface = interface,
                            .format = format,
                            .output = output,
                            .counts = ret,
                            .fault = fault,
                            .bytes_total = total_size(options)};
    window_set_init(&replay.windows, options->interval, options->max_flows);
    int r = run(&replay);
    window_set_done(&replay.windows);
    return r;
}
