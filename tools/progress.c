/* progress.c - the bar of progress.h. */
#include "progress.h"

#include "interrupt.h"
#include "say.h"

#include <stdio.h>
#include <unistd.h>

static const crew_time first_after = 1000 * 1000000LL, draw_every = 100 * 1000000LL;

void progress_begin(struct progress *p, enum progress_mode mode, const char *unit,
                    bool result_on_terminal)
{
    *p = (struct progress){.unit = unit, .begin = crew_time_now()};
    p->shown = mode == PROGRESS_ALWAYS ||
               (mode == PROGRESS_AUTO && !say_quiet && isatty(STDERR_FILENO) && !result_on_terminal);
    p->drawn = p->begin + (mode == PROGRESS_ALWAYS ? 0 : first_after) - draw_every;
}

static int put_amount(char *to, size_t room, double n)
{
    static const char units[] = " kMGTPE";
    unsigned u = 0;

    while (n >= 999.5 && u < 6) {
        n /= 1000;
        u++;
    }
    return snprintf(to, room, n >= 99.5 || u == 0 ? "%.0f%.*s" : "%.1f%.*s", n, u > 0, units + u);
}

static int put_time(char *to, size_t room, double seconds)
{
    if (seconds > 359999 * 24.0)
        return snprintf(to, room, "more than a year");
    if (seconds >= 359999)
        return snprintf(to, room, "%.0f days", seconds / 86400);
    unsigned s = (unsigned)(seconds + 0.5);

    if (s >= 3600)
        return snprintf(to, room, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    return snprintf(to, room, "%u:%02u", s / 60, s % 60);
}

void progress_step(struct progress *p, double part, uint64_t count)
{
    enum { WIDTH = 30 };
    char line[256], *end = line + sizeof line, *s = line;
    crew_time now;

    if (!p->shown || (now = crew_time_now()) - p->drawn < draw_every)
        return;
    p->drawn = now;

    double seconds = (double)(now - p->begin) / 1e9;
    int filled = (int)(part * WIDTH);

    s += sprintf(s, "\r\033[K%3.0f%% [", part * 100);
    for (int i = 0; i < WIDTH; i++)
        *s++ = i < filled ? '=' : i == filled ? '>' : ' ';
    s += sprintf(s, "] ");
    s += put_amount(s, (size_t)(end - s), (double)count);
    s += sprintf(s, " %s, ", p->unit);
    s += put_amount(s, (size_t)(end - s), seconds > 0 ? (double)count / seconds : 0);
    s += sprintf(s, "/s");
    if (part > 0) {
        s += sprintf(s, ", ");
        s += put_time(s, (size_t)(end - s), seconds * (1 - part) / part);
        s += sprintf(s, " left");
    }
    p->stands = true;
    interrupt_wipe(true);
    if (write(STDERR_FILENO, line, (size_t)(s - line)) < 0)
        p->shown = false;
}

void progress_end(struct progress *p)
{
    if (p->stands && write(STDERR_FILENO, "\r\033[K", 4) < 0)
        p->shown = false;
    p->stands = false;
    interrupt_wipe(false);
}
