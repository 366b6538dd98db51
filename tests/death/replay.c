/* replay.c - see replay.h. */
#include "replay.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 16
#define MOST_LINES 2000

const struct replay *replay_now;

static struct replay asked;
static bool showing;

bool replay_set(const char *text, bool shows)
{
    uint16_t digit[REPLAY_DIGITS] = { 0 };
    size_t length;

    replay_now = NULL;
    if (!text || !*text)
        return true;
    text += strncmp(text, "0x", 2) == 0 ? 2 : 0;
    length = strlen(text);
    if (length == 0 || length > 4 * REPLAY_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++) {
        size_t place = length - 1 - i; /* of this figure, from behind */
        const char figure[2] = { text[i], '\0' };

        if (!isxdigit((unsigned char)text[i]))
            return false;
        digit[REPLAY_DIGITS - 1 - place / 4] |= (uint16_t)(strtoul(figure, NULL, 16) << 4 * (place % 4));
    }
    asked.count = 0;
    for (unsigned i = 0; i < REPLAY_DIGITS; i++)
        if (asked.count > 0 || digit[i] != 0)
            asked.digit[asked.count++] = digit[i];
    replay_now = &asked;
    showing = shows;
    return true;
}

void replay_write(const struct replay *r, char text[DEATH_NUMBER])
{
    int n = snprintf(text, DEATH_NUMBER, "0x%x", r->count > 0 ? r->digit[0] : 0);

    for (unsigned i = 1; i < r->count; i++)
        n += snprintf(text + n, DEATH_NUMBER - (size_t)n, "%04x", r->digit[i]);
}

/* -- what there is to see -------------------------------------------------------------------------- */

static struct {
    const char *who;
    const void *code;
    uintptr_t address;
    size_t bytes;
    bool store;
    long times;
} last;
static long lines;

static bool enough(void)
{
    if (lines++ == MOST_LINES)
        printf("# ... and so on\n");
    return lines > MOST_LINES;
}

static const char *place_of(const void *code)
{
    static struct {
        const void *code;
        char place[192];
    } known[256];
    static unsigned count;

    for (unsigned i = 0; i < count; i++)
        if (known[i].code == code)
            return known[i].place;
    if (count == sizeof known / sizeof known[0])
        count = 0;
    known[count].code = code;
    death_place(code, known[count].place, sizeof known[count].place);
    return known[count++].place;
}

static void print_last(void)
{
    if (last.times == 0 || enough())
        return;
    printf("# %-10s %s: %s", last.who, place_of(last.code), last.store ? "stores" : "loads");
    if (last.bytes > 0)
        printf(" %zu bytes", last.bytes);
    printf(" at arena+%zu", (size_t)(last.address - (uintptr_t)death_arena));
    if (last.times > 1)
        printf(", %ld times", last.times);
    printf("\n");
    last.times = 0;
}

void replay_access(const char *who, const void *code, uintptr_t address, size_t bytes, bool store)
{
    if (last.who == who && last.code == code && last.address == address && last.store == store) {
        last.times++;
        return;
    }
    if (!showing)
        return;
    print_last();
    last.who = who;
    last.code = code;
    last.address = address;
    last.bytes = bytes;
    last.store = store;
    last.times = 1;
}

void replay_event(const char *who, const char *format, ...)
{
    va_list list;

    print_last();
    last.times = 0;
    if (showing && !enough()) {
        printf("# %-10s ", who);
        va_start(list, format);
        vprintf(format, list);
        va_end(list);
        printf("\n");
    }
    death_event();
}

__attribute__((noinline)) void death_event(void)
{
    __asm__ volatile("" ::: "memory");
}

_Noreturn void replay_misfit(void)
{
    print_last();
    printf("not ok - this number is not from this case and this binary\n");
    exit(2);
}
