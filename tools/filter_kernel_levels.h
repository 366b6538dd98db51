/* filter_kernel_levels.h - which of the kernel's variants runs: for tests and benches. The best one
 * that the CPU knows runs unless another one is chosen here. */
#ifndef TOOLS_FILTER_KERNEL_LEVELS_H
#define TOOLS_FILTER_KERNEL_LEVELS_H

unsigned filter_levels(void); /* that this CPU knows: 0 (portable) ... filter_levels() - 1 */
const char *filter_level_name(unsigned level);
void filter_level_use(unsigned level);

#endif
