/* atomic.h - short names for the few orders that crew uses on words that others see. */
#ifndef CREW_ATOMIC_H
#define CREW_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define load_relaxed(p) atomic_load_explicit(p, memory_order_relaxed)
#define load_acquire(p) atomic_load_explicit(p, memory_order_acquire)
#define load_total(p) atomic_load_explicit(p, memory_order_seq_cst)
#define store_relaxed(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit(p, v, memory_order_release)
/* In the one order of all 'total' operations: for "I store mine, then look at yours". */
#define store_total(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)

#define swap_if(p, expected, desired)                                                        \
    atomic_compare_exchange_strong_explicit(p, expected, desired, memory_order_seq_cst,      \
                                            memory_order_acquire)

#define CACHE_LINE 64

#endif
