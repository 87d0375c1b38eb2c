/*
 * line: jobs whose turn it is not yet: each waits for those before it of its order key.
 *
 * Is:      a list in the order of keys and their places. The first of a key comes out when it is
 *          due, or when it is called because one before it has ended; those behind it wait for
 *          that. And when to ask again: soon while the head of a key's whole line changes, ever
 * less often while it is the same one. Is not:  a judge of whose turn it is: those before may be
 * anywhere (the ledger knows); a clock. Owns:    nothing: an item is the caller's, and stands still
 * in memory while it is in it. Threads: one at a time.
 *
 * Adding and calling look through the list, line_take_due too once something is due.
 */
#ifndef HAUL_MODEL_LINE_H
#define HAUL_MODEL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_AGAIN_US INT64_C(500000)    /* from one question of a key to the next, at least */
#define LINE_WAIT_US INT64_C(10000000)   /* and at most, while the first of it is here */
#define LINE_RETURN_EVERY_US 500         /* one of those that had to go comes again each ... */
#define LINE_RETURN_US INT64_C(30000000) /* ... but each of them within this */
#define LINE_HEADS 256                   /* so many keys of which the head is remembered */

/* Embedded in the caller's job; its first three fields are the caller's. */
struct line_item {
    uint64_t order_key;
    int64_t place; /* the lowest of a key goes first */
    int64_t due_us;
    struct line_item *next;
};

struct line {
    struct line_item *first;
    size_t count, count_max;
    int64_t due_us;    /* no item is due sooner */
    int64_t return_us; /* when the last of those that are not here comes again */
    struct line_head { /* a key whose place here another takes is forgotten */
        uint64_t order_key;
        int64_t place;
        int64_t since_us, until_us; /* known to be the head, and taken for it without a question */
    } heads[LINE_HEADS];
};

/* Empty, for so many. */
void line_init(struct line *line, size_t count_max);

/* The head of the key's whole line has this place, and may begin `due_us` from now at the soonest:
 * how long to wait until the next question. An eighth of the time for which it is known to be the
 * head. */
int64_t line_wait_us(struct line *line, uint64_t order_key, int64_t head_place, int64_t due_us,
                     int64_t now_us);

/* For how long one of this place needs not ask, as the answer is known; 0: it is not. */
int64_t line_behind_us(const struct line *line, uint64_t order_key, int64_t place, int64_t now_us);

/* One is to wait elsewhere: when it may come again. So many at once come one after the other. */
int64_t line_return_us(struct line *line, int64_t now_us);

/* Returns what it has no room for: the last of the same key, which may be `item` itself, or `item`
 * when the key has none; NULL = there was room. */
struct line_item *line_add(struct line *line, struct line_item *item);

/* One of the key has ended: takes the first of it out, which may be the head now; NULL: there is
 * none, and the head is not known. */
struct line_item *line_call(struct line *line, uint64_t order_key, int64_t now_us);

/* Takes one out that is the first of its key and due; NULL: none is. */
struct line_item *line_take_due(struct line *line, int64_t now_us);

/* Takes the first of the key out that comes behind this place; NULL: none does. */
struct line_item *line_take_behind(struct line *line, uint64_t order_key, int64_t place);

/* Takes one out that `matches`; NULL: none does. */
struct line_item *line_take_matching(struct line *line,
                                     bool (*matches)(struct line_item *item, void *context),
                                     void *context);

#endif
