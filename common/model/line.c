/* line: see line.h. */
#include "model/line.h"

#include "base/num.h"

static bool is_before(const struct line_item *a, const struct line_item *b)
{
    return a->order_key != b->order_key ? a->order_key < b->order_key : a->place < b->place;
}

void line_init(struct line *line, size_t count_max)
{
    *line = (struct line){.count_max = count_max, .due_us = INT64_MAX};
}

static void note_due(struct line *line, const struct line_item *item)
{
    if (item->due_us < line->due_us)
        line->due_us = item->due_us;
}

/* The one behind it may be the first of its key now. */
static struct line_item *take(struct line *line, struct line_item **at)
{
    struct line_item *item = *at;
    *at = item->next;
    item->next = NULL;
    line->count--;
    if (*at != NULL)
        note_due(line, *at);
    return item;
}

int64_t line_wait_us(struct line *line, uint64_t order_key, int64_t head_place, int64_t due_us,
                     int64_t now_us)
{
    struct line_head *head = &line->heads[order_key % LINE_HEADS];
    if (head->order_key != order_key || head->place != head_place)
        *head = (struct line_head){order_key, head_place, now_us, now_us};
    int64_t wait_us = num_max_i64((now_us - head->since_us) / 8, LINE_AGAIN_US);
    wait_us = num_max_i64(num_min_i64(wait_us, LINE_WAIT_US), due_us);
    head->until_us = now_us + wait_us;
    return wait_us;
}

int64_t line_behind_us(const struct line *line, uint64_t order_key, int64_t place, int64_t now_us)
{
    const struct line_head *head = &line->heads[order_key % LINE_HEADS];
    bool is_behind = head->order_key == order_key && head->place < place;
    return is_behind ? num_max_i64(head->until_us - now_us, 0) : 0;
}

/* Until it has asked, who was called is taken for the head. */
static void note_called(struct line *line, uint64_t order_key, const struct line_item *item,
                        int64_t now_us)
{
    struct line_head *head = &line->heads[order_key % LINE_HEADS];
    if (item != NULL)
        *head = (struct line_head){order_key, item->place, now_us, now_us + LINE_AGAIN_US};
    else if (head->order_key == order_key)
        *head = (struct line_head){0};
}

int64_t line_return_us(struct line *line, int64_t now_us)
{
    int64_t at_us = num_max_i64(line->return_us + LINE_RETURN_EVERY_US, now_us + LINE_AGAIN_US);
    line->return_us = num_min_i64(at_us, now_us + LINE_RETURN_US);
    return line->return_us;
}

static struct line_item *take_last_of(struct line *line, uint64_t order_key)
{
    struct line_item **last = NULL;
    for (struct line_item **at = &line->first; *at != NULL; at = &(*at)->next)
        if ((*at)->order_key == order_key)
            last = at;
    return last == NULL ? NULL : take(line, last);
}

struct line_item *line_add(struct line *line, struct line_item *item)
{
    struct line_item **at = &line->first;
    while (*at != NULL && !is_before(item, *at))
        at = &(*at)->next;
    item->next = *at;
    *at = item;
    note_due(line, item);
    return ++line->count > line->count_max ? take_last_of(line, item->order_key) : NULL;
}

/* The one behind it has to wait for it. */
static struct line_item *take_first(struct line *line, struct line_item **at, int64_t now_us)
{
    struct line_item *item = *at, *next = item->next;
    if (next != NULL && next->order_key == item->order_key && next->due_us < now_us + LINE_AGAIN_US)
        next->due_us = now_us + LINE_AGAIN_US;
    return take(line, at);
}

struct line_item *line_call(struct line *line, uint64_t order_key, int64_t now_us)
{
    struct line_item **at = &line->first;
    while (*at != NULL && (*at)->order_key < order_key)
        at = &(*at)->next;
    struct line_item *item = NULL;
    if (*at != NULL && (*at)->order_key == order_key)
        item = take_first(line, at, now_us);
    note_called(line, order_key, item, now_us);
    return item;
}

struct line_item *line_take_due(struct line *line, int64_t now_us)
{
    const struct line_item *before = NULL;
    if (now_us < line->due_us)
        return NULL;
    line->due_us = INT64_MAX;
    for (struct line_item **at = &line->first; *at != NULL; at = &(*at)->next) {
        bool is_first = before == NULL || before->order_key != (*at)->order_key;
        if (is_first && (*at)->due_us <= now_us) {
            line->due_us = now_us; /* others may be, too */
            return take_first(line, at, now_us);
        }
        if (is_first)
            note_due(line, *at);
        before = *at;
    }
    return NULL;
}

struct line_item *line_take_behind(struct line *line, uint64_t order_key, int64_t place)
{
    const struct line_item bound = {.order_key = order_key, .place = place};
    struct line_item **at = &line->first;
    while (*at != NULL && !is_before(&bound, *at))
        at = &(*at)->next;
    return *at == NULL || (*at)->order_key != order_key ? NULL : take(line, at);
}

struct line_item *line_take_matching(struct line *line,
                                     bool (*matches)(struct line_item *item, void *context),
                                     void *context)
{
    struct line_item **at = &line->first;
    while (*at != NULL && !matches(*at, context))
        at = &(*at)->next;
    return *at == NULL ? NULL : take(line, at);
}
