/* copy.h - bytes for another process, past this one's caches.
 *
 * What is written with plain stores lies in the caches of the CPU that wrote it, and the CPU that reads it fetches
 * it from there line by line: on machines where that is far, 2.5 GB/s were measured, and 15 through memory. */
#ifndef CREW_CHANNEL_COPY_H
#define CREW_CHANNEL_COPY_H

#include <stddef.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>

enum { COPY_PAST_CACHES = 32768 }; /* bytes from which on */

/* 'to' is a block of the arena, and so aligned. What was written is visible to who sees a later store. */
static inline void copy_to_others(void *to, const void *from, size_t size)
{
    const char *source = from;
    char *target = to;
    size_t done = 0;

    if (size >= COPY_PAST_CACHES) {
        for (; size - done >= 64; done += 64)
            for (size_t i = done; i < done + 64; i += 16)
                _mm_stream_si128((__m128i *)(void *)(target + i),
                                 _mm_loadu_si128((const __m128i *)(const void *)(source + i)));
        _mm_sfence();
    }
    memcpy(target + done, source + done, size - done);
}
#else
static inline void copy_to_others(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif

#endif
