/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/object.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/object_file.h"
#include "deliver/spool_files.h"

#define DIGEST_PIECE 65536
#define NO_INTERFACE UINT32_MAX

/* The making of one pack. */
struct packing {
    const struct spool *spool;
    const struct object_settings *settings;
    const uint64_t *sequences;
    size_t count; /* of them, with one format */
    char *format_text;
    struct format format;
    uint64_t window; /* of the first batch */
    uint64_t end;    /* of the last */
    uint64_t *slots; /* that the records lie in; rising */
    size_t slot_count;
    struct spool_item *objects;
    size_t object_count;
    struct object_writer *writer; /* of the last of them */
    uint32_t *places;             /* the reader's interfaces in the account of that object */
};

int object_digest(const char *path, uint8_t ret[static 32], struct fault *fault)
{
    uint8_t piece[DIGEST_PIECE];
    struct sha256_ctx context;
    ssize_t got;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    sha256_init(&context);
    while (fd >= 0 && (got = read(fd, piece, sizeof piece)) != 0) {
        if (got > 0)
            sha256_update(&context, (size_t)got, piece);
        else if (errno != EINTR)
            return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    }
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    sha256_digest(&context, SHA256_DIGEST_SIZE, ret);
    return 0;
}

static int add_slot(struct packing *packing, uint64_t slot)
{
    size_t at = packing->slot_count;
    while (at > 0 && packing->slots[at - 1] > slot)
        at--;
    if (at > 0 && packing->slots[at - 1] == slot)
        return 0;
    uint64_t *slots = reallocarray(packing->slots, packing->slot_count + 1, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    memmove(&slots[at + 1], &slots[at], (packing->slot_count - at) * sizeof *slots);
    slots[at] = slot;
    packing->slots = slots;
    packing->slot_count++;
    return 0;
}

/* The slots of one batch. 1 when its format is another: the pack ends before it. */
static int survey_batch(struct packing *packing, size_t index, struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_reader *reader = NULL;
    struct batch_line line;
    uint64_t slot = UINT64_MAX;
    spool_batch_path(packing->spool, packing->sequences[index], path);
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    const struct batch_head *head = batch_reader_head(reader);
    if (index == 0) {
        packing->format_text = strdup(head->format_text);
        packing->format = head->format;
        packing->window = head->window;
    }
    bool fits = packing->format_text && strcmp(packing->format_text, head->format_text) == 0;
    if (fits)
        packing->end = head->window + head->interval;
    while (fits && (r = batch_reader_next(reader, &line, fault)) > 0) {
        if (layout_slot_of(line.end) == slot)
            continue;
        slot = layout_slot_of(line.end);
        r = add_slot(packing, slot);
        if (r < 0)
            break;
    }
    batch_reader_close(reader);
    if (!packing->format_text)
        return -ENOMEM;
    return r == 0 && !fits ? 1 : r;
}

/* How many batches are looked through; less than all when a format changes or one is damaged. */
static int survey(struct packing *packing, size_t *ret_used, struct fault *fault)
{
    int r = 0;
    size_t used = 0;
    while (used < packing->count && (r = survey_batch(packing, used, fault)) == 0)
        used++;
    packing->count = used;
    *ret_used = used;
    return r < 0 ? r : 0;
}

static struct spool_item *last_object(const struct packing *packing)
{
    return &packing->objects[packing->object_count - 1];
}

static int end_object(struct packing *packing, struct fault *fault)
{
    char path[PATH_MAX];
    struct spool_item *object = last_object(packing);
    int r = object_writer_close(TAKE(packing->writer), &object->bytes, fault);
    if (r < 0)
        return r;
    spool_item_path(packing->spool, object, path);
    return object_digest(path, object->sha256, fault);
}

static int begin_object(struct packing *packing, uint64_t slot, uint32_t slot_part, struct fault *fault)
{
    char text[PATH_MAX > LAYOUT_KEY_MAX ? PATH_MAX : LAYOUT_KEY_MAX];
    struct layout layout = packing->settings->layout;
    layout.extension = object_writer_extension(packing->settings->file_format);
    struct spool_item *objects = reallocarray(packing->objects, packing->object_count + 1, sizeof *objects);
    if (!objects)
        return fault_set(fault, -ENOMEM, "out of memory");
    packing->objects = objects;
    struct spool_item *object = &objects[packing->object_count];
    *object = (struct spool_item){.kind = SPOOL_OBJECT,
                                  .first = packing->sequences[0],
                                  .last = packing->sequences[packing->count - 1],
                                  .part = (uint32_t)packing->object_count,
                                  .window = packing->window,
                                  .end = packing->end,
                                  .verified = true};
    packing->object_count++;
    int r = layout_print_key(&layout, slot, object->first, slot_part, text);
    if (r < 0)
        return fault_set(fault, r, "no object name for time %llu: %s", (unsigned long long)slot,
                         strerror(-r));
    object->key = strdup(text);
    object->content_type = strdup(object_writer_content_type(packing->settings->file_format));
    if (!object->key || !object->content_type)
        return fault_set(fault, -ENOMEM, "out of memory");
    spool_item_path(packing->spool, object, text);
    return object_writer_open(&packing->writer, text, packing->settings->file_format,
                              packing->settings->codec, &packing->format, fault);
}

/* The interface's place in the object's account; found again by its identity in other batches. -ENOMEM. */
static int place_interface(struct spool_item *object, const struct interface_identity *identity,
                           uint32_t hint, uint32_t *ret)
{
    struct batch_interface *account = object->interfaces;
    if (hint < object->interface_count && memcmp(&account[hint].identity, identity, sizeof *identity) == 0) {
        *ret = hint;
        return 0;
    }
    for (uint32_t i = 0; i < object->interface_count; i++)
        if (memcmp(&account[i].identity, identity, sizeof *identity) == 0) {
            *ret = i;
            return 0;
        }
    struct batch_interface *longer = reallocarray(account, object->interface_count + 1U, sizeof *longer);
    if (!longer)
        return -ENOMEM;
    longer[object->interface_count] = (struct batch_interface){.identity = *identity};
    object->interfaces = longer;
    *ret = object->interface_count++;
    return 0;
}

static int account_line(struct packing *packing, const struct batch_head *head, const struct batch_line *line)
{
    struct spool_item *object = last_object(packing);
    const struct batch_sum sum = {.records = 1, .packets = line->packets, .lost = line->lost};
    uint32_t *place = &packing->places[line->interface];
    int r = 0;
    if (*place == NO_INTERFACE)
        r = place_interface(object, &head->interfaces[line->interface].identity, line->interface, place);
    if (r < 0)
        return r;
    batch_sum_add(&object->interfaces[*place].sum, &sum);
    batch_sum_add(&object->sum, &sum);
    return 0;
}

static void forget_places(struct packing *packing, const struct batch_head *head)
{
    memset(packing->places, 0xff, (size_t)head->interface_count * sizeof *packing->places);
}

static int pack_line(struct packing *packing, const struct batch_head *head, const struct batch_line *line,
                     uint64_t slot, uint32_t *slot_part, struct fault *fault)
{
    int r = 0;
    if (packing->writer && object_writer_is_full(packing->writer))
        r = end_object(packing, fault);
    if (r == 0 && !packing->writer) {
        r = begin_object(packing, slot, (*slot_part)++, fault);
        forget_places(packing, head);
    }
    if (r == 0)
        r = object_writer_add(packing->writer, line, fault);
    if (r == 0 && account_line(packing, head, line) < 0)
        r = fault_set(fault, -ENOMEM, "out of memory");
    return r;
}

static int pack_batch(struct packing *packing, size_t index, uint64_t slot, uint32_t *slot_part,
                      struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_reader *reader = NULL;
    struct batch_line line;
    spool_batch_path(packing->spool, packing->sequences[index], path);
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    const struct batch_head *head = batch_reader_head(reader);
    uint32_t *places = reallocarray(packing->places, head->interface_count + 1U, sizeof *places);
    if (places) {
        packing->places = places;
        forget_places(packing, head);
    } else {
        r = fault_set(fault, -ENOMEM, "out of memory");
    }
    while (r == 0 && (r = batch_reader_next(reader, &line, fault)) > 0)
        r = layout_slot_of(line.end) == slot ? pack_line(packing, head, &line, slot, slot_part, fault) : 0;
    batch_reader_close(reader);
    return r;
}

/* One object is open at a time, so the batches are gone through once for each slot; mostly there are one or
 * two. */
static int pack_slots(struct packing *packing, size_t *ret_used, struct fault *fault)
{
    int r = 0;
    for (size_t s = 0; r == 0 && s < packing->slot_count; s++) {
        uint32_t slot_part = 0;
        for (size_t b = 0; r == 0 && b < packing->count; b++) {
            r = pack_batch(packing, b, packing->slots[s], &slot_part, fault);
            *ret_used = r < 0 ? b : packing->count;
        }
        if (r == 0 && packing->writer)
            r = end_object(packing, fault);
    }
    return r;
}

static void discard_objects(struct packing *packing)
{
    object_writer_abandon(TAKE(packing->writer));
    for (size_t i = 0; i < packing->object_count; i++) {
        char path[PATH_MAX];
        spool_item_path(packing->spool, &packing->objects[i], path);
        (void)unlink(path);
        spool_item_done(&packing->objects[i]);
    }
    free(packing->objects);
}

int object_pack(const struct spool *spool, const struct object_settings *settings, const uint64_t *sequences,
                size_t count, struct spool_item **ret, size_t *ret_count, size_t *ret_used,
                struct fault *fault)
{
    struct packing packing = {.spool = spool, .settings = settings, .sequences = sequences, .count = count};
    int r = survey(&packing, ret_used, fault);
    if (r == 0)
        r = pack_slots(&packing, ret_used, fault);
    if (r == 0 && packing.object_count) {
        char path[PATH_MAX];
        spool_item_path(spool, packing.objects, path);
        file_sync_folder_of(path);
    }
    free(packing.format_text);
    free(packing.slots);
    free(packing.places);
    if (r < 0) {
        discard_objects(&packing);
        return r;
    }
    *ret = packing.objects;
    *ret_count = packing.object_count;
    return 0;
}
