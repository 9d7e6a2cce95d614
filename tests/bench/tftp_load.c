/* A crowd of TFTP readers in a closed loop (RFC 1350, 2347, 2348, 2349, 7440): so many transfers at a time.
 *
 *   tftp_load -f NAME -d FOLDER [-s SERVER] [-n TRANSFERS] [-c CONCURRENT] [-b BLKSIZE] [-w WINDOWSIZE]
 *             [-a ADDRESS -k PHONES] [-m FIRST] [-p PREFIX] [-t MILLISECONDS] [-x TRIES] [-T SECONDS]
 *
 * A %m in NAME becomes the MAC of phone (number of the transfer modulo PHONES). Every octet is compared with the file
 * of that name in FOLDER. With -a each phone has its own source address, ADDRESS + number, which must be local here
 * (AnyIP). Options that are not given are not asked for. A transfer is good when all its octets came and were right.
 * One line of JSON comes out. One thread, epoll, one socket for each transfer.
 */

#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RRQ = 1, DATA = 3, ACKNOWLEDGE = 4, ERROR = 5, OACK = 6 };
enum { BATCH = 32, LARGEST = 9000, MAX_CONCURRENT = 4096 };

struct transfer {
    int fd, tries, request_length, connected, windowsize, in_window, gap_told, active;
    uint32_t phone, blksize;
    uint64_t block;   /* the last one that came in order */
    uint64_t octets;  /* received and right */
    const uint8_t *expected;
    uint64_t size;
    double began, moved;
    uint8_t request[300];
};

static struct {
    const char *name, *folder;
    struct sockaddr_in server;
    uint32_t transfers, concurrent, phones, first, prefix, first_ip;
    int blksize, windowsize, tries;
    double again, until;
} option = {.transfers = 100, .concurrent = 32, .phones = 1, .prefix = 0x0a7700, .tries = 5, .again = 1, .until = 1e9};

static struct transfer slots[MAX_CONCURRENT];
static float *times;
static uint32_t started, running, good, wrong, refused, lost, resent, repeated, gaps;
static uint64_t all_octets;
static uint32_t agreed_blksize = 512, agreed_windowsize = 1;
static char first_error[200];
static int epoll;

/* --- the file that should come */

static const uint8_t *expected_file(const char *name, uint64_t *size)
{
    static char last_name[128];
    static const uint8_t *last;
    static uint64_t last_size;
    char path[600];
    struct stat found;
    int fd;

    if (!last || strcmp(name, last_name)) {
        /* The one before stays mapped: other transfers may still compare with it. */
        snprintf(path, sizeof path, "%s/%s", option.folder, name);
        fd = open(path, O_RDONLY);
        if (fd < 0 || fstat(fd, &found))
            die(path);
        last = mmap(NULL, found.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (last == MAP_FAILED)
            die("mmap");
        close(fd);
        last_size = found.st_size;
        snprintf(last_name, sizeof last_name, "%s", name);
    }
    *size = last_size;
    return last;
}

static void name_of(char *name, size_t room, uint32_t phone)
{
    const char *mark = strstr(option.name, "%m");
    uint8_t m[6];

    mac_of(m, option.prefix, option.first + phone);
    if (!mark)
        snprintf(name, room, "%s", option.name);
    else
        snprintf(name, room, "%.*s%02x%02x%02x%02x%02x%02x%s", (int)(mark - option.name), option.name, m[0], m[1], m[2],
                 m[3], m[4], m[5], mark + 2);
}

/* --- one transfer */

static void make_request(struct transfer *t, const char *name)
{
    uint8_t *at = t->request;

    *at++ = 0, *at++ = RRQ;
    at += sprintf((char *)at, "%s", name) + 1;
    at += sprintf((char *)at, "octet") + 1;
    if (option.blksize) {
        at += sprintf((char *)at, "blksize") + 1;
        at += sprintf((char *)at, "%d", option.blksize) + 1;
    }
    if (option.windowsize) {
        at += sprintf((char *)at, "windowsize") + 1;
        at += sprintf((char *)at, "%d", option.windowsize) + 1;
    }
    t->request_length = at - t->request;
}

/* The packet that moves the server: the request until it has answered, then the ACK of what came in order. */
static void push(struct transfer *t)
{
    uint8_t ack[4] = {0, ACKNOWLEDGE, t->block >> 8, t->block};

    t->in_window = 0;
    t->moved = seconds();
    if (!t->connected)
        sendto(t->fd, t->request, t->request_length, 0, (struct sockaddr *)&option.server, sizeof option.server);
    else if (send(t->fd, ack, 4, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
        die("send");
}

static void begin(struct transfer *t, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = t};
    int room = 1 << 20;
    char name[128];

    memset(t, 0, sizeof *t);
    t->phone = number % option.phones;
    t->active = 1, t->tries = 1, t->blksize = 512, t->windowsize = 1;
    name_of(name, sizeof name, t->phone);
    t->expected = expected_file(name, &t->size);
    make_request(t, name);
    t->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (t->fd < 0)
        die("socket");
    setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (option.first_ip) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(option.first_ip + t->phone)};

        if (bind(t->fd, (struct sockaddr *)&own, sizeof own))
            die("bind");
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &event))
        die("epoll_ctl");
    running++;
    t->began = seconds();
    push(t);
}

static void end(struct transfer *t, uint32_t *counter)
{
    if (counter == &good)
        times[good] = seconds() - t->began;
    ++*counter;
    all_octets += t->octets;
    close(t->fd);
    t->active = 0;
    running--;
}

/* RFC 2347: the options that the server took, as pairs of strings. */
static void agreed(struct transfer *t, const uint8_t *at, const uint8_t *stop)
{
    while (at < stop) {
        const char *key = (const char *)at, *value = key + strnlen(key, stop - at) + 1;

        if ((const uint8_t *)value >= stop)
            break;
        if (!strcasecmp(key, "blksize"))
            t->blksize = atoi(value);
        if (!strcasecmp(key, "windowsize"))
            t->windowsize = atoi(value);
        at = (const uint8_t *)value + strnlen(value, stop - (const uint8_t *)value) + 1;
    }
    agreed_blksize = t->blksize, agreed_windowsize = t->windowsize;
    push(t); /* ACK of block 0 */
}

static void data(struct transfer *t, uint16_t block, const uint8_t *octets, uint32_t length)
{
    int final = length < t->blksize;

    if (block != (uint16_t)(t->block + 1)) {
        if ((int16_t)(block - (uint16_t)t->block) <= 0) {
            repeated++;
        } else if (!t->gap_told) { /* RFC 7440 section 4: ask again from the gap, once */
            gaps++;
            t->gap_told = 1;
            push(t);
        }
        return;
    }
    if (t->octets + length > t->size || memcmp(t->expected + t->octets, octets, length)) {
        end(t, &wrong);
        return;
    }
    t->octets += length;
    t->block++;
    t->tries = 1;
    t->gap_told = 0;
    if (final) {
        push(t);
        end(t, t->octets == t->size ? &good : &wrong);
    } else if (++t->in_window >= t->windowsize) {
        push(t);
    }
}

static void packet(struct transfer *t, const uint8_t *octets, uint32_t length, const struct sockaddr_in *peer)
{
    int code = length >= 4 ? octets[1] : 0;

    if (!t->connected) { /* the server's own port (its TID) is known now */
        if (connect(t->fd, (const struct sockaddr *)peer, sizeof *peer))
            die("connect");
        t->connected = 1;
    }
    if (code == OACK && t->block == 0) {
        agreed(t, octets + 2, octets + length);
    } else if (code == DATA) {
        data(t, octets[2] << 8 | octets[3], octets + 4, length - 4);
    } else if (code == ERROR) {
        if (!first_error[0])
            snprintf(first_error, sizeof first_error, "%u %.*s", octets[3], (int)(length > 180 ? 180 : length) - 4, octets + 4);
        end(t, &refused);
    }
}

static void receive(struct transfer *t)
{
    static uint8_t octets[BATCH][LARGEST];
    static struct iovec vector[BATCH];
    static struct mmsghdr in[BATCH];
    static struct sockaddr_in peers[BATCH];
    int n;

    do {
        for (int i = 0; i < BATCH; i++) {
            vector[i] = (struct iovec){octets[i], LARGEST};
            in[i].msg_hdr = (struct msghdr){.msg_iov = vector + i, .msg_iovlen = 1};
            in[i].msg_hdr.msg_name = peers + i, in[i].msg_hdr.msg_namelen = sizeof peers[i];
        }
        n = recvmmsg(t->fd, in, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n && t->active; i++)
            packet(t, octets[i], in[i].msg_len, peers + i);
    } while (n == BATCH && t->active);
}

static void look_for_late(double now)
{
    for (uint32_t i = 0; i < option.concurrent; i++) {
        struct transfer *t = slots + i;

        if (!t->active || now - t->moved < option.again)
            continue;
        if (t->tries++ >= option.tries) {
            end(t, &lost);
        } else {
            resent++;
            push(t);
        }
    }
}

static void run(void)
{
    struct epoll_event events[64];
    double looked = seconds(), until = looked + option.until;

    while (1) {
        double now = seconds();
        int n;

        for (uint32_t i = 0; i < option.concurrent && started < option.transfers && now < until; i++)
            if (!slots[i].active)
                begin(slots + i, started++);
        if (!running)
            break;
        n = epoll_wait(epoll, events, 64, 20);
        for (int i = 0; i < n; i++) {
            struct transfer *t = events[i].data.ptr;

            if (t->active)
                receive(t);
        }
        if (now - looked > 0.02)
            look_for_late(looked = now);
    }
}

static void parse(int argc, char **argv)
{
    int letter;

    option.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(69)};
    option.server.sin_addr.s_addr = htonl(address("10.77.0.1"));
    while ((letter = getopt(argc, argv, "f:d:s:n:c:b:w:a:k:m:p:t:x:T:")) != -1) {
        switch (letter) {
        case 'f': option.name = optarg; break;
        case 'd': option.folder = optarg; break;
        case 's': option.server.sin_addr.s_addr = htonl(address(optarg)); break;
        case 'n': option.transfers = atoi(optarg); break;
        case 'c': option.concurrent = atoi(optarg); break;
        case 'b': option.blksize = atoi(optarg); break;
        case 'w': option.windowsize = atoi(optarg); break;
        case 'a': option.first_ip = address(optarg); break;
        case 'k': option.phones = atoi(optarg); break;
        case 'm': option.first = atoi(optarg); break;
        case 'p': option.prefix = strtoul(optarg, NULL, 16); break;
        case 't': option.again = atof(optarg) / 1000; break;
        case 'x': option.tries = atoi(optarg); break;
        case 'T': option.until = atof(optarg); break;
        default: fprintf(stderr, "unknown option; see the head of tftp_load.c\n"), exit(2);
        }
    }
    if (!option.name || !option.folder || !option.phones || option.concurrent > MAX_CONCURRENT)
        fprintf(stderr, "-f and -d are needed; see the head of tftp_load.c\n"), exit(2);
}

int main(int argc, char **argv)
{
    double took;

    parse(argc, argv);
    times = calloc(option.transfers, sizeof *times);
    epoll = epoll_create1(0);
    took = seconds();
    run();
    took = seconds() - took;
    qsort(times, good, sizeof *times, by_value);
    printf("{\"started\": %u, \"good\": %u, \"wrong\": %u, \"refused\": %u, \"lost\": %u, \"resent\": %u, \"repeated\": %u, "
           "\"gaps\": %u, \"blksize\": %u, \"windowsize\": %u, \"error\": \"%s\", \"seconds\": %.4f, \"rate\": %.2f, "
           "\"megabytes\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"cpu\": %.3f}\n",
           started, good, wrong, refused, lost, resent, repeated, gaps, agreed_blksize, agreed_windowsize, first_error, took,
           good / took, all_octets / took / 1e6, percentile(times, good, 0.5) * 1e3, percentile(times, good, 0.99) * 1e3,
           percentile(times, good, 1) * 1e3, cpu_seconds());
    return 0;
}
