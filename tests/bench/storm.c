/* A boot storm: so many phones get power in the same instant and want an address and their files.
 *
 *   storm -f PATH [-f PATH] [-n PHONES] [-s SERVER] [-P PORT] [-g GIADDR] [-b FIRST] [-p PREFIX] [-v VENDORCLASS]
 *         [-u USERAGENT] [-e TEXT] [-S SECONDS] [-T SECONDS]
 *
 * Each phone: DISCOVER, OFFER, REQUEST, ACK as a relay passes them on; then the files in their order over HTTP, a
 * connection for each, from the leased address (which must be local here: AnyIP). %m in a PATH, USERAGENT or TEXT is
 * the phone's MAC as 12 digits, %M with colons, %n its number as 6 digits. A DHCP message is sent again after 4, 8, 16, 32 s (each a second more or
 * less, RFC 2131 section 4.1), and the phone begins anew after that; a file that fails or takes 15 s is asked for again
 * after 4, 8, 16 s. -S spreads the power over some seconds. The last file must hold TEXT.
 *
 * One line of JSON: when 50, 95, 99 and 100 % of the phones had their lease and their last file (null: never), what was
 * sent again. One thread, epoll.
 */

#define _GNU_SOURCE
#include "dhcp.h"
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, FILES = 4, ANSWER = 1 << 16, DHCP_TRIES = 4 };
enum state { OFF, SELECTING, REQUESTING, WAITING, CONNECTING, READING, READY };

struct phone {
    uint8_t state, tries, file;
    int fd;
    uint32_t ip, server, length;
    double due;            /* when the present state is over its time */
    float leased, ready;   /* seconds since the storm began, 0 = not yet */
    char *answer;
};

static struct {
    uint32_t phones, first, prefix, giaddr;
    struct sockaddr_in dhcp, http;
    const char *vendor_class, *agent, *expected, *paths[FILES];
    int files;
    double spread, timeout;
} option = {.phones = 200, .prefix = 0x805ec0, .vendor_class = "yealink", .agent = "Yealink SIP-T21P_E2 52.84.0.15 %M",
            .timeout = 60};

static struct phone *phones;
static uint32_t leased, ready, resent_discover, resent_request, http_again, naks, strange, refused;
static double began;
static int epoll, udp;

/* --- DHCP */

static uint32_t xid_of(uint32_t k) { return (option.first + k) * 2654435761u + 31; }

static double jitter(void) { return 2.0 * rand() / RAND_MAX - 1; }

/* RFC 2131 section 4.1: doubled from 4 s, with a second of randomness. */
static double patience(int tries) { return (4 << (tries - 1)) + jitter(); }

static void transmit(uint32_t k, double now)
{
    struct phone *p = phones + k;
    uint8_t mac[6], packet[600];
    struct dhcp_request r = {
        .type = p->state == SELECTING ? DISCOVER : REQUEST,
        .xid = xid_of(k),
        .mac = mac,
        .giaddr = option.giaddr,
        .requested = p->state == REQUESTING ? p->ip : 0,
        .server = p->state == REQUESTING ? p->server : 0,
        .vendor_class = option.vendor_class,
    };
    int length;

    mac_of(mac, option.prefix, option.first + k);
    length = dhcp_encode(packet, &r);
    p->due = now + patience(p->tries);
    while (sendto(udp, packet, length, 0, (struct sockaddr *)&option.dhcp, sizeof option.dhcp) < 0)
        if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            die("sendto");
}

static void discover(uint32_t k, double now)
{
    phones[k].state = SELECTING;
    phones[k].tries = 1;
    transmit(k, now);
}

static void ask(uint32_t k, double now);

static void heard(const uint8_t *packet, int length, double now)
{
    uint32_t server, k;
    int type = dhcp_decode(packet, length, &server);
    struct phone *p;

    k = type ? dhcp_number(packet) - option.first : UINT32_MAX;
    if (k >= option.phones || get32(packet + XID) != xid_of(k)) {
        strange++;
        return;
    }
    p = phones + k;
    if (type == OFFER && p->state == SELECTING) {
        p->state = REQUESTING;
        p->ip = get32(packet + YIADDR);
        p->server = server;
        p->tries = 1;
        transmit(k, now);
    } else if (type == ACK && p->state == REQUESTING && get32(packet + YIADDR) == p->ip) {
        p->leased = now - began;
        leased++;
        p->tries = 0;
        ask(k, now);
    } else if (type == NAK && p->state == REQUESTING) {
        naks++;
        discover(k, now);
    }
}

/* --- HTTP */

/* Copy a text and put the phone's MAC in the place of its marks. */
static void fill(char *to, size_t room, const char *from, uint32_t k)
{
    char *end = to + room - 18;
    uint8_t m[6];

    mac_of(m, option.prefix, option.first + k);
    while (*from && to < end) {
        if (from[0] == '%' && from[1] == 'n') {
            to += sprintf(to, "%06u", option.first + k);
            from += 2;
        } else if (from[0] == '%' && (from[1] == 'm' || from[1] == 'M')) {
            for (int i = 0; i < 6; i++)
                to += sprintf(to, from[1] == 'M' && i ? ":%02x" : "%02x", m[i]);
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
}

static void hang_up(struct phone *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void try_again(uint32_t k, double now)
{
    struct phone *p = phones + k;

    hang_up(p);
    http_again++;
    if (p->tries < 3)
        p->tries++;
    p->state = WAITING;
    p->due = now + patience(p->tries);
}

/* Connect from the leased address; the rest happens when the connection stands. */
static void ask(uint32_t k, double now)
{
    struct phone *p = phones + k;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(p->ip)};
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = k};

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&own, sizeof own))
        die("bind to the leased address");
    p->state = CONNECTING;
    p->length = 0;
    p->due = now + 15;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &event))
        die("epoll_ctl");
    if (connect(p->fd, (struct sockaddr *)&option.http, sizeof option.http) && errno != EINPROGRESS)
        try_again(k, now);
}

static void send_request(uint32_t k, double now)
{
    struct phone *p = phones + k;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = k};
    char path[200], agent[200], request[600];
    int length, error = 0;
    socklen_t size = sizeof error;

    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    fill(path, sizeof path, option.paths[p->file], k);
    fill(agent, sizeof agent, option.agent, k);
    length = snprintf(request, sizeof request,
                      "GET %s HTTP/1.1\r\nHost: 10.77.0.1\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                      path, agent);
    if (error || send(p->fd, request, length, MSG_NOSIGNAL) != length) {
        try_again(k, now);
        return;
    }
    p->state = READING;
    epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &event);
}

/* A 200 with as many octets as it says, and in the last file the text that tells it is this phone's. */
static int sound(const struct phone *p, uint32_t k)
{
    const char *body = strstr(p->answer, "\r\n\r\n"), *size = strcasestr(p->answer, "\r\nContent-Length:");
    char expected[200];

    if (strncmp(p->answer, "HTTP/1.1 200", 12) || !body || !size || size > body)
        return 0;
    body += 4;
    if (atol(size + 17) != p->answer + p->length - body)
        return 0;
    if (!option.expected || p->file < option.files - 1)
        return 1;
    fill(expected, sizeof expected, option.expected, k);
    return strstr(body, expected) != NULL;
}

static void read_answer(uint32_t k, double now)
{
    static char room[ANSWER];
    struct phone *p = phones + k;
    ssize_t n = read(p->fd, room, sizeof room);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0 && p->length + n < ANSWER) {
        p->answer = realloc(p->answer, p->length + n + 1);
        memcpy(p->answer + p->length, room, n);
        p->length += n;
        p->answer[p->length] = 0;
        return;
    }
    if (n != 0 || !p->length || !sound(p, k)) {
        refused += n == 0 && p->length;
        try_again(k, now);
        return;
    }
    hang_up(p);
    p->tries = 0;
    if (++p->file < option.files) {
        ask(k, now);
        return;
    }
    p->state = READY;
    p->ready = now - began;
    ready++;
}

/* --- the storm */

static void overdue(uint32_t k, double now)
{
    struct phone *p = phones + k;

    switch (p->state) {
    case OFF: discover(k, now); break;
    case SELECTING:
    case REQUESTING:
        *(p->state == SELECTING ? &resent_discover : &resent_request) += 1;
        if (p->tries++ < DHCP_TRIES)
            transmit(k, now);
        else
            discover(k, now);
        break;
    case WAITING: ask(k, now); break;
    case CONNECTING:
    case READING: try_again(k, now); break;
    }
}

static void run(void)
{
    struct epoll_event events[BATCH], from_udp = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    double looked = 0;

    epoll_ctl(epoll, EPOLL_CTL_ADD, udp, &from_udp);
    began = seconds();
    for (uint32_t k = 0; k < option.phones; k++)
        phones[k].due = began + option.spread * k / option.phones;
    while (ready < option.phones && seconds() - began < option.timeout) {
        double now = seconds();
        int n;

        if (now - looked > 0.01) {
            looked = now;
            for (uint32_t k = 0; k < option.phones; k++)
                if (phones[k].state != READY && phones[k].due <= now)
                    overdue(k, now);
        }
        n = epoll_wait(epoll, events, BATCH, 5);
        now = seconds();
        for (int i = 0; i < n; i++) {
            uint32_t k = events[i].data.u32;

            if (k == UINT32_MAX)
                dhcp_receive(udp, heard);
            else if (phones[k].state == CONNECTING)
                send_request(k, now);
            else if (phones[k].state == READING)
                read_answer(k, now);
        }
    }
}

static void parse(int argc, char **argv)
{
    int letter;

    option.giaddr = address("10.77.0.2");
    option.dhcp = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(67)};
    option.http = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)};
    option.dhcp.sin_addr.s_addr = option.http.sin_addr.s_addr = htonl(address("10.77.0.1"));
    while ((letter = getopt(argc, argv, "f:n:s:P:g:b:p:v:u:e:S:T:")) != -1) {
        switch (letter) {
        case 'f':
            if (option.files < FILES)
                option.paths[option.files++] = optarg;
            break;
        case 'n': option.phones = atoi(optarg); break;
        case 's': option.dhcp.sin_addr.s_addr = option.http.sin_addr.s_addr = htonl(address(optarg)); break;
        case 'P': option.http.sin_port = htons(atoi(optarg)); break;
        case 'g': option.giaddr = address(optarg); break;
        case 'b': option.first = atoi(optarg); break;
        case 'p': option.prefix = strtoul(optarg, NULL, 16); break;
        case 'v': option.vendor_class = optarg; break;
        case 'u': option.agent = optarg; break;
        case 'e': option.expected = optarg; break;
        case 'S': option.spread = atof(optarg); break;
        case 'T': option.timeout = atof(optarg); break;
        default: fprintf(stderr, "unknown option; see the head of storm.c\n"), exit(2);
        }
    }
    if (!option.files)
        fprintf(stderr, "-f is needed; see the head of storm.c\n"), exit(2);
}

static void prepare(void)
{
    struct rlimit files = {option.phones + 100, option.phones + 100};

    setrlimit(RLIMIT_NOFILE, &files);
    phones = calloc(option.phones, sizeof *phones);
    for (uint32_t k = 0; k < option.phones; k++)
        phones[k].fd = -1;
    epoll = epoll_create1(0);
    udp = dhcp_socket(option.giaddr, 67);
}

static void print_times(const char *name, float *times, uint32_t count)
{
    static const int parts[] = {50, 95, 99, 100};

    qsort(times, count, sizeof *times, by_value);
    printf("\"%s\": {", name);
    for (int i = 0; i < 4; i++) {
        uint32_t needed = (uint64_t)option.phones * parts[i] / 100;

        printf("%s\"%d\": ", i ? ", " : "", parts[i]);
        if (needed && needed <= count)
            printf("%.3f", times[needed - 1]);
        else
            printf("null");
    }
    printf("}, ");
}

int main(int argc, char **argv)
{
    float *times;
    uint32_t n = 0;

    parse(argc, argv);
    prepare();
    times = calloc(option.phones, sizeof *times);
    run();
    printf("{");
    for (uint32_t k = 0; k < option.phones; k++)
        if (phones[k].leased > 0)
            times[n++] = phones[k].leased;
    print_times("leased", times, n);
    n = 0;
    for (uint32_t k = 0; k < option.phones; k++)
        if (phones[k].ready > 0)
            times[n++] = phones[k].ready;
    print_times("ready", times, n);
    printf("\"phones\": %u, \"resent_discover\": %u, \"resent_request\": %u, \"http_again\": %u, \"naks\": %u, "
           "\"strange\": %u, \"refused\": %u, \"seconds\": %.3f, \"cpu\": %.3f}\n",
           option.phones, resent_discover, resent_request, http_again, naks, strange, refused, seconds() - began, cpu_seconds());
    return 0;
}
