/* seats.h - the number of a process in its crew, and how it stands in an id: generation, then seat. */
#ifndef CREW_SEATS_H
#define CREW_SEATS_H

#include <stdatomic.h>
#include <stdint.h>

#define SEATS 4096 /* seat 0 is nobody's, seat 1 the root's */
#define SEAT_BITS 12

/* This process's; 0: it is in no crew. Written by life.c. */
extern _Atomic uint32_t life_id;

#endif
