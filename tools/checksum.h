/* checksum.h - tells whether two runs gave the same bytes. */
#ifndef TOOLS_CHECKSUM_H
#define TOOLS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* A checksum of bytes that tells their order; about as fast as reading them. */
uint64_t checksum(const void *data, size_t size);

/* The checksum of two parts, one behind the other, of which the first has 'hash'. Not the same as
 * checksum() of both at once: parts must be cut alike to be compared. */
uint64_t checksum_join(uint64_t hash, uint64_t next, uint64_t size);

#endif
