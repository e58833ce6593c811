/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A circular list whose links are embedded in its members. A member is on at most one list per link. */
#include "pkg/base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Adds at the end. */
static inline void list_append(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

/* Takes a member out; harmless on an initialised link that is on no list. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

/* The current member may be removed inside the loop; other members may not. */
#define list_for_each(place, head, type, member)                                                                       \
	for (struct list *_link_##place = (head)->next, *_next_##place = _link_##place->next; _link_##place != (head); \
	     _link_##place = _next_##place, _next_##place = _link_##place->next)                                       \
		for (type *place = list_entry(_link_##place, type, member), *_once_##place = place; _once_##place;     \
		     _once_##place = NULL)
