/* http_client: which addresses are public. Source: IANA's special-purpose address registries. */
#include "io/http_client.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct range4 {
    uint32_t network;
    unsigned bits;
};

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct range4 special4[] = {
    {V4(0, 0, 0, 0), 8},      {V4(10, 0, 0, 0), 8},     {V4(100, 64, 0, 0), 10},
    {V4(127, 0, 0, 0), 8},    {V4(169, 254, 0, 0), 16}, {V4(172, 16, 0, 0), 12},
    {V4(192, 0, 0, 0), 24},   {V4(192, 0, 2, 0), 24},   {V4(192, 88, 99, 0), 24},
    {V4(192, 168, 0, 0), 16}, {V4(198, 18, 0, 0), 15},  {V4(198, 51, 100, 0), 24},
    {V4(203, 0, 113, 0), 24}, {V4(224, 0, 0, 0), 4},    {V4(240, 0, 0, 0), 4},
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
        if ((address ^ special4[i].network) >> (32 - special4[i].bits) == 0)
            return false;
    return true;
}

struct range6 {
    uint8_t network[16];
    unsigned bits;
};

/* Within 2000::/3, which is all that is given out. */
static const struct range6 special6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static bool in_range6(const uint8_t address[16], const struct range6 *range)
{
    for (unsigned bit = 0; bit < range->bits; bit++)
        if ((address[bit / 8] ^ range->network[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static uint32_t read4(const uint8_t *bytes)
{
    return V4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

static bool is_public6(const uint8_t address[16])
{
    static const struct range6 mapped = {{[10] = 0xff, 0xff}, 96},
                               nat64 = {{0, 0x64, 0xff, 0x9b}, 96}, sixtofour = {{0x20, 0x02}, 16},
                               given_out = {{0x20}, 3};
    if (in_range6(address, &mapped) || in_range6(address, &nat64))
        return is_public4(read4(address + 12));
    if (in_range6(address, &sixtofour))
        return is_public4(read4(address + 2));
    if (!in_range6(address, &given_out))
        return false;
    for (size_t i = 0; i < sizeof special6 / sizeof *special6; i++)
        if (in_range6(address, &special6[i]))
            return false;
    return true;
}

bool http_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return is_public4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return is_public6(v6.sin6_addr.s6_addr);
    }
    return false; /* a socket file, or what nobody thought of */
}
