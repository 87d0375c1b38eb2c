/* delivery: see delivery.h. */
#include "run/delivery.h"

#include <stdlib.h>

struct delivery *delivery_new(struct kafka_message *message)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        return NULL;
    delivery->message = *message;
    *message = (struct kafka_message){0};
    delivery->lane = LANE_JOBS;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    kafka_message_done(&delivery->message);
    free(delivery);
}
