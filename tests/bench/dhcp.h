/* Just enough DHCP for a load generator (RFC 2131, RFC 2132): requests with the options that phones send.
 * Define _GNU_SOURCE before anything is included. */

#ifndef DHCP_H
#define DHCP_H

#include "load.h"

#include <sys/socket.h>

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };

/* Offsets of the fixed fields. */
enum { OP = 0, HOPS = 3, XID = 4, CIADDR = 12, YIADDR = 16, GIADDR = 24, CHADDR = 28, COOKIE = 236, OPTIONS = 240 };

static const uint8_t dhcp_cookie[4] = {0x63, 0x82, 0x53, 0x63};

struct dhcp_request {
    int type;
    uint32_t xid;
    const uint8_t *mac;
    uint32_t ciaddr, giaddr; /* host order, 0 = not there; so are the next two */
    uint32_t requested;      /* option 50 */
    uint32_t server;         /* option 54 */
    const char *vendor_class;
};

static inline uint8_t *put32(uint8_t *at, uint32_t value)
{
    at[0] = value >> 24, at[1] = value >> 16, at[2] = value >> 8, at[3] = value;
    return at + 4;
}

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint8_t *put_option(uint8_t *at, int code, int length, const void *value)
{
    *at++ = code;
    *at++ = length;
    memcpy(at, value, length);
    return at + length;
}

static inline uint8_t *put_address(uint8_t *at, int code, uint32_t value)
{
    *at++ = code;
    *at++ = 4;
    return put32(at, value);
}

/* Write the message into a buffer of at least 600 octets; gives its length. */
static inline int dhcp_encode(uint8_t *packet, const struct dhcp_request *r)
{
    static const uint8_t wanted[] = {1, 3, 6, 12, 15, 42, 43, 66, 67, 120, 150, 159, 160}, max_size[] = {0x05, 0xdc};
    uint8_t *at = packet + OPTIONS, type = r->type, client[7] = {1};

    memset(packet, 0, 300);
    packet[OP] = 1, packet[1] = 1, packet[2] = 6, packet[HOPS] = r->giaddr != 0;
    put32(packet + XID, r->xid);
    put32(packet + CIADDR, r->ciaddr);
    put32(packet + GIADDR, r->giaddr);
    memcpy(packet + CHADDR, r->mac, 6);
    memcpy(packet + COOKIE, dhcp_cookie, 4);
    memcpy(client + 1, r->mac, 6);
    at = put_option(at, 53, 1, &type);
    at = put_option(at, 61, 7, client);
    if (r->requested)
        at = put_address(at, 50, r->requested);
    if (r->server)
        at = put_address(at, 54, r->server);
    at = put_option(at, 60, strlen(r->vendor_class), r->vendor_class);
    at = put_option(at, 55, sizeof wanted, wanted);
    at = put_option(at, 57, 2, max_size);
    *at++ = 255;
    return at - packet < 300 ? 300 : at - packet;
}

/* Message type and server identifier of a reply; 0 when it is not a sound one. */
static inline int dhcp_decode(const uint8_t *packet, int length, uint32_t *server)
{
    int type = 0, i = OPTIONS;

    *server = 0;
    if (length < OPTIONS || packet[OP] != 2 || memcmp(packet + COOKIE, dhcp_cookie, 4))
        return 0;
    while (i < length && packet[i] != 255) {
        if (packet[i] == 0) {
            i++;
            continue;
        }
        if (i + 1 >= length || i + 2 + packet[i + 1] > length)
            return 0;
        if (packet[i] == 53 && packet[i + 1] == 1)
            type = packet[i + 2];
        if (packet[i] == 54 && packet[i + 1] == 4)
            *server = get32(packet + i + 2);
        i += 2 + packet[i + 1];
    }
    return type;
}

/* The number in the CHADDR of a reply whose MAC was made by mac_of. */
static inline uint32_t dhcp_number(const uint8_t *packet)
{
    return (uint32_t)packet[CHADDR + 3] << 16 | (uint32_t)packet[CHADDR + 4] << 8 | packet[CHADDR + 5];
}

/* A UDP socket with room for a crowd. */
static inline int dhcp_socket(uint32_t own, int port)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, room = 32 << 20;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(own)};

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name))
        die("DHCP socket");
    return fd;
}

/* Read everything that waits. */
static inline void dhcp_receive(int fd, void (*heard)(const uint8_t *packet, int length, double now))
{
    enum { BATCH = 64, ROOM = 1500 };
    static uint8_t octets[BATCH][ROOM];
    static struct iovec vector[BATCH];
    static struct mmsghdr in[BATCH];
    int n;

    do {
        double now;

        for (int i = 0; i < BATCH; i++) {
            vector[i] = (struct iovec){octets[i], ROOM};
            in[i].msg_hdr = (struct msghdr){.msg_iov = vector + i, .msg_iovlen = 1};
        }
        n = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
        now = seconds();
        for (int i = 0; i < n; i++)
            heard(octets[i], in[i].msg_len, now);
    } while (n == BATCH);
}

#endif
