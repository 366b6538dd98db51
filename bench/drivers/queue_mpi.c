/* bench/drivers/queue_mpi.c - MPI_Send() and MPI_Recv() between two ranks of one machine, over shared memory:
 *
 *     mpirun -np 2 bench_queue_mpi        rank 0 answers commands (driver.h): "mpi" sends COUNT messages
 *                                         of VALUE bytes to rank 1, and waits for its last word */
#include "driver.h"

#include <mpi.h>

enum { MOST = 1 << 20 };

static char buffer[MOST] __attribute__((aligned(64)));

static void one_way(uint64_t count, uint64_t size)
{
    uint64_t order[2] = { count, size };

    MPI_Send(order, 2, MPI_UINT64_T, 1, 0, MPI_COMM_WORLD);
    for (uint64_t i = 0; i < count; i++)
        MPI_Send(buffer, (int)size, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
    MPI_Recv(order, 1, MPI_UINT64_T, 1, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void partner(void)
{
    uint64_t order[2];

    for (;;) {
        int there = 0;

        while (!there) { /* MPI spins where it waits */
            MPI_Iprobe(0, 0, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
            if (!there)
                driver_pause(20);
        }
        MPI_Recv(order, 2, MPI_UINT64_T, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (order[0] == 0)
            return;
        for (uint64_t i = 0; i < order[0]; i++)
            MPI_Recv(buffer, (int)order[1], MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(order, 1, MPI_UINT64_T, 0, 2, MPI_COMM_WORLD);
    }
}

int main(int argc, char **argv)
{
    static const struct driver_command commands[] = {
        { "mpi", one_way, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    uint64_t end[2] = { 0, 0 };
    int rank, status = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    memset(buffer, 7, sizeof buffer);
    if (rank == 1) {
        partner();
    } else {
        status = driver_serve(commands);
        MPI_Send(end, 2, MPI_UINT64_T, 1, 0, MPI_COMM_WORLD);
    }
    MPI_Finalize();
    return status;
}
