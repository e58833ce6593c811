/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the process holds and does not need goes back to the system. */

/* Before the first allocation: one heap for all threads, and large pieces outside of it. */
void memory_set_up(void);

/* Pages of the heap that are free between others in use. Takes below a millisecond. */
void memory_trim(void);

/*
 * Pages of programs and libraries. Starting touches most of them, running few; those come back from the page cache one
 * by one as they are used. What relocations or variables have changed stays.
 */
void memory_forget_start(void);
