/* poll_left: records that are read past, to be read again later (poll_back.c): those of a workspace
 * that has more than its share; see poll.h and share.h.
 *
 * Their offsets stay incomplete, marked as left: whoever reads the partition next, after a crash or
 * a rebalance, finds them there.
 *
 * Order: what is left of a workspace in a partition is given out lowest first, and nothing of an
 * ordered kind of it that comes later is given out before. */
#include "run/poll.h"

#include "run/share.h"

#include <stdlib.h>

static struct partition_left *row_of(struct partition *partition, const struct look *look)
{
    for (size_t i = 0; partition->left != NULL && i < PARTITION_LEFT_MAX; i++) {
        struct partition_left *row = &partition->left[i];
        if (row->count > 0 && row->share == look->share &&
            row->is_ordered == look->kind->kind->ordered)
            return row;
    }
    return NULL;
}

/* NULL: there is none for it, or no memory. */
static struct partition_left *new_row(struct partition *partition, const struct look *look)
{
    if (partition->left == NULL)
        partition->left = calloc(PARTITION_LEFT_MAX, sizeof *partition->left);
    if (partition->left == NULL)
        return NULL;
    for (size_t i = 0; i < PARTITION_LEFT_MAX; i++) {
        if (partition->left[i].count > 0)
            continue;
        partition->left[i] =
            (struct partition_left){.share = look->share, .is_ordered = look->kind->kind->ordered};
        return &partition->left[i];
    }
    return NULL;
}

void poller_check_left(struct partition *partition)
{
    if (partition->map.left > 0)
        return;
    free(partition->left);
    partition->left = NULL;
    partition->left_waits_for = 0;
}

int64_t poller_left_since_us(struct partition *partition, int64_t now_us)
{
    const struct offset_map *map = &partition->map;
    struct partition_left_age *age = &partition->left_age;
    if (map->left == 0) {
        *age = (struct partition_left_age){0};
        return 0;
    }
    bool is_new = age->since_us == 0;
    if (is_new || map->lowest_left >= age->mark)
        *age = (struct partition_left_age){
            .since_us = is_new ? now_us : age->mark_us, .mark = map->next, .mark_us = now_us};
    return age->since_us;
}

void poller_note_back(struct poller *poller, struct partition *partition, const struct look *look)
{
    struct partition_left *row = row_of(partition, look);
    if (row != NULL)
        row->count--;
    share_note_left(poller->rt, look->share, -1);
    poller_check_left(partition);
}

/* Where it is noted; NULL: it is not left. */
static struct partition_left *row_for(const struct poller *poller, struct partition *partition,
                                      const struct look *look)
{
    poller_check_left(partition);
    struct partition_left *row = row_of(partition, look);
    bool is_behind = row != NULL && row->is_ordered;
    if (!is_behind && !share_is_over(poller->rt, look->share))
        return NULL;
    return row == NULL ? new_row(partition, look) : row;
}

bool poller_may_leave(const struct poller *poller, struct partition *partition,
                      const struct look *look)
{
    return row_for(poller, partition, look) != NULL;
}

bool poller_leave(struct poller *poller, struct partition *partition, struct delivery *delivery,
                  const struct look *look)
{
    struct partition_left *row = row_for(poller, partition, look);
    if (row == NULL)
        return false;
    offset_map_leave(&partition->map, delivery->message.offset);
    row->count++;
    poller->left.count++;
    share_note_left(poller->rt, look->share, 1);
    poller_free(poller, delivery);
    return true;
}
