/* What the load generators share: a clock, percentiles, parsing of arguments. Included once by each of them. */

#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static inline double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static inline void die(const char *what)
{
    perror(what);
    exit(2);
}

static inline int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The value below which `part` of the sorted values lie; 0 when there are none. */
static inline double percentile(const float *sorted, size_t count, double part)
{
    return count ? sorted[(size_t)((count - 1) * part)] : 0;
}

/* An address in host order. */
static inline uint32_t address(const char *text)
{
    struct in_addr a;

    if (!inet_aton(text, &a)) {
        fprintf(stderr, "%s: not an IPv4 address\n", text);
        exit(2);
    }
    return ntohl(a.s_addr);
}

/* The MAC of phone `number`: three octets of prefix, three of number. */
static inline void mac_of(uint8_t *mac, uint32_t prefix, uint32_t number)
{
    mac[0] = prefix >> 16, mac[1] = prefix >> 8, mac[2] = prefix;
    mac[3] = number >> 16, mac[4] = number >> 8, mac[5] = number;
}

#endif
