/* SPDX-License-Identifier: Apache-2.0 */
#include "store/line_plan.h"

#if defined(__x86_64__)

#include <endian.h>
#include <immintrin.h>
#include <pthread.h>

#include "base/macro.h"
#include "base/num.h"

/*
 * A usual line: at most 1 KiB of ASCII with as many values as the format has, numbers of usual length, plain
 * addresses. Its bytes are told apart 64 at a time; what follows works on one bit per byte.
 */

#define VECTORS __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define INLINE_VECTORS VECTORS __attribute__((always_inline)) static inline

#define ENDS_STEP 8 /* written at once */

/* One bit per byte of the line, and where its values end. */
struct shape {
    uint64_t spaces[LINE_WORDS_MAX];
    uint64_t others[LINE_WORDS_MAX]; /* neither digit nor space */
    uint64_t odd[LINE_WORDS_MAX];    /* control characters, not ASCII */
    unsigned words;
    unsigned len;  /* without its line end */
    unsigned next; /* where the next line begins */
    uint16_t ends_room[LINE_LANES + LINE_FIELDS + ENDS_STEP];
};
#define ENDS(shape) ((shape)->ends_room + LINE_LANES) /* what is before the first is that before the line */

/* How IPv4 addresses with octets of these lengths are laid out as four times hundreds, tens, ones, and the
 * least value of an octet of that length. */
struct octets {
    uint8_t shuffle[16];
    int32_t least[4];
};
static struct octets octet_table[3 * 3 * 3 * 3];

static void fill_octet_table(void)
{
    static const int32_t least[] = {0, 10, 100};
    for (unsigned i = 0; i < ARRAY_SIZE(octet_table); i++) {
        const unsigned lengths[] = {i / 27 + 1, i / 9 % 3 + 1, i / 3 % 3 + 1, i % 3 + 1};
        unsigned begin = 0;
        for (unsigned octet = 0; octet < 4; octet++) {
            unsigned len = lengths[octet];
            for (unsigned digit = 0; digit < 4; digit++)
                octet_table[i].shuffle[octet * 4 + digit] =
                    digit < 3 && digit >= 3 - len ? (uint8_t)(begin + digit - (3 - len)) : 0x80;
            octet_table[i].least[octet] = least[len - 1];
            begin += len + 1;
        }
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool can_take_usual;

static void prepare(void)
{
    fill_octet_table();
    can_take_usual = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                     __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

bool line_can_take_usual(void)
{
    (void)pthread_once(&once, prepare);
    return can_take_usual;
}

INLINE_VECTORS uint64_t join(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

INLINE_VECTORS __m256i at_most(__m256i bytes, __m256i bound)
{
    return _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, bound), bytes);
}

/* The bits of 64 bytes; returns those of the newlines. */
INLINE_VECTORS uint64_t look_at_word(const char *at, struct shape *shape, unsigned word)
{
    const __m256i low = _mm256_loadu_si256((const __m256i *)at);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    const __m256i space = _mm256_set1_epi8(' ');
    const __m256i zero = _mm256_set1_epi8('0');
    const __m256i nine = _mm256_set1_epi8(9);
    const __m256i control = _mm256_set1_epi8(0x1f);
    const __m256i newline = _mm256_set1_epi8('\n');
    uint64_t newlines = join(_mm256_cmpeq_epi8(low, newline), _mm256_cmpeq_epi8(high, newline));
    uint64_t spaces = join(_mm256_cmpeq_epi8(low, space), _mm256_cmpeq_epi8(high, space));
    uint64_t digits =
        join(at_most(_mm256_sub_epi8(low, zero), nine), at_most(_mm256_sub_epi8(high, zero), nine));
    uint64_t odd = join(_mm256_or_si256(low, at_most(low, control)),
                        _mm256_or_si256(high, at_most(high, control))); /* the top bits of both */
    shape->spaces[word] = spaces;
    shape->others[word] = ~(digits | spaces);
    shape->odd[word] = odd;
    return newlines;
}

/* A carriage return before the newline belongs to the line end. */
INLINE_VECTORS void cut_at(struct shape *shape, unsigned len)
{
    shape->words = len / 64 + 1;
    shape->len = len;
    uint64_t kept = len % 64 ? ~0ULL >> (64 - len % 64) : 0;
    unsigned last = len / 64;
    shape->spaces[last] &= kept;
    shape->others[last] &= kept;
    shape->odd[last] &= kept;
}

/* Eight at a time, whatever their number is: the loop is the same for most lines. */
INLINE_VECTORS uint16_t *put_ends(uint16_t *ends, unsigned word, uint64_t spaces)
{
    unsigned count = (unsigned)_mm_popcnt_u64(spaces);
    for (unsigned put = 0;;) {
        for (unsigned i = 0; i < ENDS_STEP; i++) {
            ends[put + i] = (uint16_t)(64 * word + _tzcnt_u64(spaces));
            spaces = _blsr_u64(spaces);
        }
        put += ENDS_STEP;
        if (put >= count)
            return ends + count;
    }
}

/* Finds the line's end; false when that is too far away. The first two words are looked at in any case: most
 * lines end in the second one. */
INLINE_VECTORS bool find_end(const char *line, struct shape *shape)
{
    uint64_t first = look_at_word(line, shape, 0);
    unsigned word = 1;
    uint64_t newlines = look_at_word(line + 64, shape, 1);
    if (first) {
        word = 0;
        newlines = first;
    }
    while (!newlines && ++word < LINE_WORDS_MAX)
        newlines = look_at_word(line + 64 * word, shape, word);
    if (!newlines)
        return false;
    unsigned len = 64 * word + (unsigned)_tzcnt_u64(newlines);
    shape->next = len + 1;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    cut_at(shape, len);
    return true;
}

/* Finds where the values end; false when the line is not usual. */
INLINE_VECTORS bool find_values(struct shape *shape, unsigned words, unsigned count)
{
    uint64_t odd = 0;
    unsigned spaces = 0;
    for (unsigned word = 0; word < words; word++) {
        odd |= shape->odd[word];
        spaces += (unsigned)_mm_popcnt_u64(shape->spaces[word]);
    }
    if (odd || spaces + 1 != count)
        return false;
    uint16_t *ends = ENDS(shape);
    ends[-1] = UINT16_MAX;
    for (unsigned word = 0; word < words; word++)
        ends = put_ends(ends, word, shape->spaces[word]);
    *ends = (uint16_t)shape->len;
    return true;
}

INLINE_VECTORS unsigned begin_of(const struct shape *shape, unsigned position)
{
    return (uint16_t)(ENDS(shape)[(int)position - 1] + 1);
}

INLINE_VECTORS unsigned length_of(const struct shape *shape, unsigned position)
{
    return ENDS(shape)[position] - begin_of(shape, position);
}

INLINE_VECTORS uint64_t load_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Digits only, at most eighteen. */
INLINE_VECTORS uint64_t read_number(const char *at, unsigned len)
{
    const uint64_t zeros = 0x3030303030303030ULL;
    if (len <= 8)
        return num_sum_digits(load_word(at) ^ zeros, len);
    uint64_t low = num_sum_digits(load_word(at + len - 8) ^ zeros, 8);
    if (len <= 16)
        return num_sum_digits(load_word(at) ^ zeros, len - 8) * 100000000 + low;
    uint64_t high = num_sum_digits(load_word(at) ^ zeros, len - 16);
    return (high * 100000000 + num_sum_digits(load_word(at + len - 16) ^ zeros, 8)) * 100000000 + low;
}

/* Whether a number with one digit more than is safe is within the field's bound. */
INLINE_VECTORS bool is_small_enough(const struct line_scanner *scanner, const char *line,
                                    const struct shape *shape, unsigned position)
{
    const struct field *field = &field_catalogue[scanner->format.fields[position]];
    unsigned len = length_of(shape, position);
    if (field->kind == FIELD_KIND_TIME || len != scanner->plan->length_max[position] + 1U || len > 18)
        return false;
    return read_number(line + begin_of(shape, position), len) <= field->max;
}

/* No value is empty, none is longer than its field can be. */
INLINE_VECTORS bool are_lengths_usual(const struct line_scanner *scanner, const char *line,
                                      const struct shape *shape)
{
    const struct line_plan *plan = scanner->plan;
    const uint16_t *ends = ENDS(shape);
    const __m256i one = _mm256_set1_epi16(1);
    for (unsigned i = 0; i < plan->count; i += LINE_LANES) {
        __m256i here = _mm256_loadu_si256((const __m256i *)(ends + i));
        __m256i before = _mm256_loadu_si256((const __m256i *)(ends + i - 1));
        __m256i bound = _mm256_loadu_si256((const __m256i *)(plan->length_max + i));
        __m256i lengths = _mm256_sub_epi16(_mm256_sub_epi16(here, before), one);
        uint32_t fits =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(_mm256_min_epu16(lengths, bound), lengths));
        uint32_t empty = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(lengths, _mm256_setzero_si256()));
        unsigned lanes = plan->count - i < LINE_LANES ? plan->count - i : LINE_LANES;
        uint32_t counted = (uint32_t)((1ULL << 2 * lanes) - 1);
        if (empty & counted)
            return false;
        for (uint32_t over = ~fits & counted & 0x55555555; over; over &= over - 1)
            if (!is_small_enough(scanner, line, shape, i + (unsigned)__builtin_ctz(over) / 2))
                return false;
    }
    return true;
}

/* "-" by itself, between spaces or the line's ends. */
INLINE_VECTORS bool is_dash(const char *line, const struct shape *shape, unsigned at)
{
    return line[at] == '-' && (at == 0 || line[at - 1] == ' ') &&
           (at + 1 == shape->len || line[at + 1] == ' ');
}

/* Bits of the word from `begin` to before `end`, which count from the line's beginning. */
INLINE_VECTORS uint64_t bits_between(unsigned word, unsigned begin, unsigned end)
{
    unsigned first = 64 * word;
    unsigned from = begin > first ? begin - first : 0;
    unsigned to = end > first ? end - first : 0;
    return _bzhi_u64(~0ULL, to < 64 ? to : 64) & ~_bzhi_u64(~0ULL, from < 64 ? from : 64);
}

/* In neighbours that hold numbers there are digits and spaces, and dashes by themselves. */
INLINE_VECTORS bool is_run_usual(const char *line, const struct shape *shape, unsigned words, unsigned begin,
                                 unsigned end)
{
    uint64_t others = 0;
    for (unsigned word = 0; word < words; word++)
        others |= shape->others[word] & bits_between(word, begin, end);
    if (!others)
        return true;
    for (unsigned word = 0; word < words; word++)
        for (others = shape->others[word] & bits_between(word, begin, end); others;
             others = _blsr_u64(others))
            if (!is_dash(line, shape, 64 * word + (unsigned)_tzcnt_u64(others)))
                return false;
    return true;
}

INLINE_VECTORS bool are_within_bounds(const struct line_plan *plan, const char *line,
                                      const struct shape *shape)
{
    bool over = false;
    for (unsigned i = 0; i < plan->bound_count; i++) {
        const struct line_bound *bound = &plan->bounds[i];
        uint64_t text = be64toh(load_word(line + begin_of(shape, bound->position)));
        over |= (length_of(shape, bound->position) == bound->digits) &
                (text >> (64 - 8 * bound->digits) > bound->text);
    }
    return !over;
}

INLINE_VECTORS __m256i is_hex(__m256i bytes)
{
    const __m256i lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    return _mm256_or_si256(at_most(_mm256_sub_epi8(bytes, _mm256_set1_epi8('0')), _mm256_set1_epi8(9)),
                           at_most(_mm256_sub_epi8(lower, _mm256_set1_epi8('a')), _mm256_set1_epi8(5)));
}

/* The octets of a text with these three dots; NULL where one is empty or too long. */
INLINE_VECTORS const struct octets *find_octets(unsigned dots, unsigned len)
{
    unsigned first = _tzcnt_u32(dots);
    unsigned second = _tzcnt_u32(_blsr_u32(dots));
    unsigned third = 31 - (unsigned)__builtin_clz(dots);
    unsigned a = first - 1;
    unsigned b = second - first - 2;
    unsigned c = third - second - 2;
    unsigned d = len - third - 2;
    bool fits = (a <= 2) & (b <= 2) & (c <= 2) & (d <= 2);
    return fits ? &octet_table[a * 27 + b * 9 + c * 3 + d] : NULL;
}

INLINE_VECTORS __m256i load_pair(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                                   _mm_loadu_si128((const __m128i *)high), 1);
}

/* Whether both are IPv4 addresses: a flow's two, mostly, so they are looked at together. */
INLINE_VECTORS bool are_ipv4(const char *at, unsigned len, const char *other, unsigned other_len)
{
    if (len > 15 || other_len > 15)
        return false;
    __m256i text = load_pair(at, other);
    __m256i digits = _mm256_sub_epi8(text, _mm256_set1_epi8('0'));
    unsigned inside = ((1U << len) - 1) | ((1U << other_len) - 1) << 16;
    unsigned dots = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8('.'))) & inside;
    unsigned good = (unsigned)_mm256_movemask_epi8(at_most(digits, _mm256_set1_epi8(9)));
    if (((good | dots) & inside) != inside || _mm_popcnt_u32(dots & 0xffff) != 3 ||
        _mm_popcnt_u32(dots >> 16) != 3)
        return false;
    const struct octets *low = find_octets(dots & 0xffff, len);
    const struct octets *high = find_octets(dots >> 16, other_len);
    if (!low || !high)
        return false;
    __m256i spread = _mm256_shuffle_epi8(digits, load_pair(low->shuffle, high->shuffle));
    __m256i pairs = _mm256_maddubs_epi16(spread, _mm256_set1_epi32(0x00010a64)); /* times 100, 10, 1 */
    __m256i values = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    __m256i wrong = _mm256_or_si256(_mm256_cmpgt_epi32(values, _mm256_set1_epi32(255)),
                                    _mm256_cmpgt_epi32(load_pair(low->least, high->least), values));
    return _mm256_testz_si256(wrong, wrong);
}

/* Eight groups of at most four digits, or fewer with one "::"; a dotted part is not usual. */
INLINE_VECTORS bool is_ipv6(const char *at, unsigned len)
{
    if (len < 2 || len > 39)
        return false;
    const __m256i low = _mm256_loadu_si256((const __m256i *)at);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    const __m256i colon = _mm256_set1_epi8(':');
    uint64_t inside = _bzhi_u64(~0ULL, len);
    uint64_t digits = join(is_hex(low), is_hex(high)) & inside;
    uint64_t colons = join(_mm256_cmpeq_epi8(low, colon), _mm256_cmpeq_epi8(high, colon)) & inside;
    uint64_t gaps = colons & colons >> 1;
    bool too_long = digits & digits >> 1 & digits >> 2 & digits >> 3 & digits >> 4;
    bool open_end = (colons & 1 & ~gaps) || (colons >> (len - 1) & ~(gaps >> (len - 2)) & 1);
    unsigned groups = (unsigned)_mm_popcnt_u64(digits & ~(digits << 1));
    unsigned gap_count = (unsigned)_mm_popcnt_u64(gaps);
    return (digits | colons) == inside && !too_long && !open_end &&
           (gap_count == 0 ? groups == 8 : gap_count == 1 && groups < 8);
}

INLINE_VECTORS bool is_address(const char *at, unsigned len)
{
    return is_ipv6(at, len) || (len == 1 && *at == '-') || are_ipv4(at, len, at, len);
}

INLINE_VECTORS bool are_addresses_usual(const struct line_plan *plan, const char *line,
                                        const struct shape *shape)
{
    unsigned count = plan->addresses.count;
    for (unsigned i = 0; i < count; i += 2) {
        unsigned position = plan->addresses.items[i].position;
        unsigned other = plan->addresses.items[i + 1 < count ? i + 1 : i].position;
        const char *at = line + begin_of(shape, position);
        const char *other_at = line + begin_of(shape, other);
        unsigned len = length_of(shape, position);
        unsigned other_len = length_of(shape, other);
        if (!are_ipv4(at, len, other_at, other_len) &&
            !(is_address(at, len) && is_address(other_at, other_len)))
            return false;
    }
    return true;
}

INLINE_VECTORS bool is_action(const char *at, unsigned len)
{
    uint64_t word = load_word(at) & 0xffffffffffffULL;
    return len == 6 && (word == 0x545045434341ULL || word == 0x5443454a4552ULL); /* ACCEPT, REJECT */
}

INLINE_VECTORS bool is_status(const char *at, unsigned len)
{
    return (len == 2 && memcmp(at, "OK", 2) == 0) || (len == 6 && memcmp(at, "NODATA", 6) == 0) ||
           (len == 8 && memcmp(at, "SKIPDATA", 8) == 0);
}

INLINE_VECTORS bool are_words_usual(const struct line_plan *plan, const char *line, const struct shape *shape)
{
    for (unsigned i = 0; i < plan->words.count; i++) {
        const struct line_item *item = &plan->words.items[i];
        const char *at = line + begin_of(shape, item->position);
        unsigned len = length_of(shape, item->position);
        bool usual =
            field_catalogue[item->field].kind == FIELD_KIND_ACTION ? is_action(at, len) : is_status(at, len);
        if (!usual && !(len == 1 && *at == '-'))
            return false;
    }
    for (unsigned i = 0; i < plan->times.count; i++)
        if (line[begin_of(shape, plan->times.items[i].position)] == '-')
            return false;
    return true;
}

INLINE_VECTORS bool is_usual(const struct line_scanner *scanner, const char *line, struct shape *shape,
                             unsigned words)
{
    const struct line_plan *plan = scanner->plan;
    if (!find_values(shape, words, plan->count) || !are_addresses_usual(plan, line, shape))
        return false;
    for (unsigned i = 0; i < plan->run_count; i++)
        if (!is_run_usual(line, shape, words, begin_of(shape, plan->runs[i].first),
                          ENDS(shape)[plan->runs[i].last]))
            return false;
    if (!are_words_usual(plan, line, shape) || !are_within_bounds(plan, line, shape) ||
        !are_lengths_usual(scanner, line, shape))
        return false;
    bool is_lower = line[0] >= 'a' && line[0] <= 'z';
    return line[0] != '#' && !(is_lower && format_find_column(line, ENDS(shape)[0]) >= 0);
}

INLINE_VECTORS bool is_in_time(const struct line_scanner *scanner, const char *line,
                               const struct shape *shape)
{
    const struct line_plan *plan = scanner->plan;
    if (scanner->since_s == 0 && scanner->until_s == UINT64_MAX)
        return true;
    int start_at = plan->start >= 0 ? plan->start : plan->end;
    int end_at = plan->end >= 0 ? plan->end : plan->start;
    if (start_at < 0)
        return line_is_in_time(scanner, UINT64_MAX, UINT64_MAX);
    uint64_t start =
        read_number(line + begin_of(shape, (unsigned)start_at), length_of(shape, (unsigned)start_at));
    uint64_t end = read_number(line + begin_of(shape, (unsigned)end_at), length_of(shape, (unsigned)end_at));
    return line_is_in_time(scanner, start, end);
}

/* At most sixteen bytes are read; they are there. */
INLINE_VECTORS void put_text(struct line_column *column, uint32_t row, const char *at, unsigned len)
{
    duckdb_string_t *to = (duckdb_string_t *)column->data + row;
    if (len > sizeof to->value.inlined.inlined) {
        line_column_set_text(column, row, at, len);
        return;
    }
    static const uint8_t masks[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                      255, 255, 255, 255, 255, 255, 255, 255};
    __m128i text = _mm_and_si128(_mm_loadu_si128((const __m128i *)at),
                                 _mm_loadu_si128((const __m128i *)(masks + 16 - len)));
    _mm_storeu_si128((__m128i *)to, _mm_insert_epi32(_mm_slli_si128(text, 4), (int)len, 0));
}

INLINE_VECTORS void put_values(const struct line_plan *plan, const char *line, const struct shape *shape,
                               struct line_columns *columns)
{
    const uint32_t row = columns->rows;
    for (unsigned i = 0; i < plan->wanted.count; i++) {
        const struct line_item *item = &plan->wanted.items[i];
        struct line_column *column = &columns->columns[item->column];
        const char *at = line + begin_of(shape, item->position);
        unsigned len = length_of(shape, item->position);
        if (len == 1 && *at == '-')
            line_column_set_null(column, row);
        else if (column->type == FIELD_INT64)
            ((int64_t *)column->data)[row] = (int64_t)read_number(at, len);
        else if (column->type == FIELD_INT32)
            ((int32_t *)column->data)[row] = (int32_t)read_number(at, len);
        else
            put_text(column, row, at, len);
    }
}

/* 1 when the line became a row, 0 when it lies outside of the time, -1 when it is not usual. */
INLINE_VECTORS int take_line(const struct line_scanner *scanner, const char *line,
                             struct line_columns *columns, const char **ret_next)
{
    struct shape shape;
    if (!find_end(line, &shape))
        return -1;
    /* Once more for the usual number of words, for which there are no loops then. */
    if (shape.words == 2 ? !is_usual(scanner, line, &shape, 2)
                         : !is_usual(scanner, line, &shape, shape.words))
        return -1;
    *ret_next = line + shape.next;
    if (!is_in_time(scanner, line, &shape))
        return 0;
    put_values(scanner->plan, line, &shape, columns);
    return 1;
}

VECTORS bool line_take_usual(const struct line_scanner *scanner, struct line_block *block,
                             struct line_columns *columns)
{
    while (block->at < block->end && columns->rows < columns->max) {
        int r = take_line(scanner, block->at, columns, &block->at);
        if (r < 0)
            return false;
        columns->rows += (uint32_t)r;
        block->line++;
    }
    return true;
}

/* The bits of the newlines among 64 bytes, and of lower-case letters. */
INLINE_VECTORS uint64_t look_for_headers(const char *at, uint64_t *ret_lower)
{
    const __m256i low = _mm256_loadu_si256((const __m256i *)at);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    const __m256i a = _mm256_set1_epi8('a');
    const __m256i letters = _mm256_set1_epi8('z' - 'a');
    const __m256i newline = _mm256_set1_epi8('\n');
    *ret_lower = join(at_most(_mm256_sub_epi8(low, a), letters), at_most(_mm256_sub_epi8(high, a), letters));
    return join(_mm256_cmpeq_epi8(low, newline), _mm256_cmpeq_epi8(high, newline));
}

VECTORS const char *line_find_lower(const char *at, const char *end, uint64_t *lines)
{
    uint64_t begins = 1; /* a line begins with the first byte */
    for (; at < end; at += 64) {
        uint64_t lower;
        uint64_t newlines = look_for_headers(at, &lower);
        size_t left = (size_t)(end - at);
        uint64_t inside = left < 64 ? _bzhi_u64(~0ULL, (unsigned)left) : ~0ULL;
        uint64_t found = (newlines << 1 | begins) & lower & inside;
        if (found) {
            unsigned before = (unsigned)_tzcnt_u64(found);
            *lines += (uint64_t)_mm_popcnt_u64(_bzhi_u64(newlines, before));
            return at + before;
        }
        *lines += (uint64_t)_mm_popcnt_u64(newlines & inside);
        begins = newlines >> 63;
    }
    return end;
}
#else

bool line_can_take_usual(void)
{
    return false;
}

bool line_take_usual(const struct line_scanner *scanner, struct line_block *block,
                     struct line_columns *columns)
{
    return false;
}

const char *line_find_lower(const char *at, const char *end, uint64_t *lines)
{
    return at;
}

#endif
