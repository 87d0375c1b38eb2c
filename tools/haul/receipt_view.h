/*
 * receipt_view: a receipt for people.
 */
#ifndef HAUL_TOOL_RECEIPT_VIEW_H
#define HAUL_TOOL_RECEIPT_VIEW_H

#include "base/jval.h"

/* Adds it as lines, each behind `indent`; what a receipt does not have is left out. */
void receipt_view(const struct jval *receipt, const char *indent, struct str *out);

#endif
