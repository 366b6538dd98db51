/* seats.h - the number of a process in its crew, and how it stands in an id: generation, then seat. */
#ifndef CREW_SEATS_H
#define CREW_SEATS_H

#define SEATS 4096 /* seat 0 is nobody's, seat 1 the root's */
#define SEAT_BITS 12

#endif
