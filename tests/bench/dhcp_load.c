/* A crowd of DHCP clients in a closed loop: so many in flight, each that is done makes room for the next.
 *
 *   dhcp_load [-m dora|reboot|renew] [-s SERVER] [-g GIADDR] [-n CLIENTS] [-b FIRST] [-a ADDRESS] [-w WINDOW]
 *             [-t MILLISECONDS] [-x TRIES] [-T SECONDS] [-p PREFIX] [-v VENDORCLASS]
 *
 * dora     DISCOVER, OFFER, REQUEST, ACK, as a relay passes them on (giaddr, both ends on port 67)
 * reboot   INIT-REBOOT: REQUEST of the address that the client already has, through the relay
 * renew    RENEWING: unicast REQUEST from that address (which must be local here: AnyIP), answered there on port 68
 *
 * Client k has the MAC PREFIX (three octets in hex) and FIRST + k; its address for reboot and renew is ADDRESS + k.
 * A message is sent again after -t, at most -x times; no client is started after -T seconds. Of every reply are checked:
 * xid, chaddr, cookie, type, that an ACK has the yiaddr of the OFFER, and that no address was given to two clients.
 * One line of JSON comes out. One thread, sendmmsg and recvmmsg: the generator must cost less than what it measures.
 */

#define _GNU_SOURCE
#include "dhcp.h"
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, MAX_WINDOW = 4096 };
enum mode { DORA, REBOOT, RENEW };
enum state { IDLE, SELECTING, REQUESTING, DONE, FAILED };

struct client {
    uint8_t state, tries;
    uint32_t ip, server;
    double began, sent_at;
};

static struct {
    enum mode mode;
    uint32_t server, giaddr, clients, first, first_ip, window, tries, prefix;
    double again, until;
    const char *vendor_class;
} option = {DORA, 0, 0, 1000, 0, 0, 64, 5, 0x0a7700, 1.0, 1e9, "dhcp-load"};

static struct client *clients;
static uint32_t in_flight[MAX_WINDOW], flying, started;
static uint32_t *owner; /* number + 1 of the client that has an address; by its low 20 bits */
static float *times;
static uint32_t done, failed, resent, naks, strange, doubles;
static int sock;

/* --- sending: messages gather, and leave together */

static uint8_t out_octets[BATCH][600];
static char out_control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
static struct iovec out_vector[BATCH];
static struct mmsghdr out[BATCH];
static struct sockaddr_in target;
static int gathered;

static void flush(void)
{
    int sent = 0;

    while (sent < gathered) {
        int n = sendmmsg(sock, out + sent, gathered - sent, 0);

        if (n > 0) {
            sent += n;
        } else if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
            struct pollfd ready = {.fd = sock, .events = POLLOUT};
            poll(&ready, 1, 5);
        } else {
            die("sendmmsg");
        }
    }
    gathered = 0;
}

/* The sender's address of one message, for a socket that has many (ip(7), IP_PKTINFO). */
static void from_address(struct msghdr *header, char *control, uint32_t source)
{
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(source)};
    struct cmsghdr *c;

    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(sizeof info);
    c = CMSG_FIRSTHDR(header);
    c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
}

static uint32_t xid_of(uint32_t k) { return (option.first + k) * 2654435761u + 97; }

static void transmit(uint32_t k, double now)
{
    struct client *c = clients + k;
    struct msghdr *header = &out[gathered].msg_hdr;
    uint8_t mac[6];
    struct dhcp_request r = {
        .type = c->state == SELECTING ? DISCOVER : REQUEST,
        .xid = xid_of(k),
        .mac = mac,
        .ciaddr = option.mode == RENEW ? c->ip : 0,
        .giaddr = option.mode == RENEW ? 0 : option.giaddr,
        .requested = c->state == REQUESTING && option.mode != RENEW ? c->ip : 0,
        .server = c->state == REQUESTING && option.mode == DORA ? c->server : 0,
        .vendor_class = option.vendor_class,
    };

    mac_of(mac, option.prefix, option.first + k);
    out_vector[gathered].iov_base = out_octets[gathered];
    out_vector[gathered].iov_len = dhcp_encode(out_octets[gathered], &r);
    memset(header, 0, sizeof *header);
    header->msg_iov = out_vector + gathered, header->msg_iovlen = 1;
    header->msg_name = &target, header->msg_namelen = sizeof target;
    if (option.mode == RENEW)
        from_address(header, out_control[gathered], c->ip);
    c->sent_at = now;
    if (++gathered == BATCH)
        flush();
}

/* --- the clients */

static void start(double now)
{
    struct client *c = clients + started;

    c->state = option.mode == DORA ? SELECTING : REQUESTING;
    c->ip = option.mode == DORA ? 0 : option.first_ip + started;
    c->tries = 1;
    c->began = now;
    in_flight[flying++] = started;
    transmit(started++, now);
}

static void finish(uint32_t k, enum state state, double now)
{
    struct client *c = clients + k;

    c->state = state;
    if (state == FAILED)
        failed++;
    else
        times[done++] = now - c->began;
}

static void acknowledged(uint32_t k, double now)
{
    uint32_t *mine = owner + (clients[k].ip & 0xfffff);

    if (*mine && *mine != k + 1)
        doubles++;
    *mine = k + 1;
    finish(k, DONE, now);
}

static void heard(const uint8_t *packet, int length, double now)
{
    uint32_t server, k;
    int type = dhcp_decode(packet, length, &server);
    struct client *c;
    uint8_t mac[6];

    k = type ? dhcp_number(packet) - option.first : UINT32_MAX;
    if (k >= started) {
        strange++;
        return;
    }
    mac_of(mac, option.prefix, option.first + k);
    if (memcmp(packet + CHADDR, mac, 6) || get32(packet + XID) != xid_of(k)) {
        strange++;
        return;
    }
    c = clients + k;
    if (type == OFFER && c->state == SELECTING) {
        c->state = REQUESTING;
        c->ip = get32(packet + YIADDR);
        c->server = server;
        c->tries = 1;
        transmit(k, now);
    } else if (type == ACK && c->state == REQUESTING) {
        if (get32(packet + YIADDR) != c->ip)
            strange++;
        else
            acknowledged(k, now);
    } else if (type == NAK && c->state == REQUESTING) {
        naks++;
        finish(k, FAILED, now);
    } /* anything else is the late answer to a message that was sent twice */
}

/* Drop who is done from the window, send again what is late, fill the window up. */
static void tend(double now, int look_for_late)
{
    uint32_t i = 0;

    while (i < flying) {
        struct client *c = clients + in_flight[i];

        if (c->state < DONE && look_for_late && now - c->sent_at > option.again) {
            if (c->tries++ >= option.tries) {
                finish(in_flight[i], FAILED, now);
            } else {
                resent++;
                transmit(in_flight[i], now);
            }
        }
        if (c->state >= DONE)
            in_flight[i] = in_flight[--flying];
        else
            i++;
    }
    while (flying < option.window && started < option.clients && now < option.until)
        start(now);
    flush();
}

static void run(void)
{
    struct pollfd readable = {.fd = sock, .events = POLLIN};
    double looked = seconds();

    option.until += looked;
    tend(looked, 0);
    while (flying) {
        double now;
        int late;

        poll(&readable, 1, 20);
        dhcp_receive(sock, heard);
        now = seconds();
        late = now - looked > 0.02;
        if (late)
            looked = now;
        tend(now, late);
    }
}

/* --- around it */

static enum mode mode_of(const char *word)
{
    return !strcmp(word, "renew") ? RENEW : !strcmp(word, "reboot") ? REBOOT : DORA;
}

static void parse(int argc, char **argv)
{
    int letter;

    option.server = address("10.77.0.1");
    option.giaddr = address("10.77.0.2");
    option.first_ip = address("10.77.16.0");
    while ((letter = getopt(argc, argv, "m:s:g:n:b:a:w:t:x:T:p:v:")) != -1) {
        switch (letter) {
        case 'm': option.mode = mode_of(optarg); break;
        case 's': option.server = address(optarg); break;
        case 'g': option.giaddr = address(optarg); break;
        case 'n': option.clients = atoi(optarg); break;
        case 'b': option.first = atoi(optarg); break;
        case 'a': option.first_ip = address(optarg); break;
        case 'w': option.window = atoi(optarg); break;
        case 't': option.again = atof(optarg) / 1000; break;
        case 'x': option.tries = atoi(optarg); break;
        case 'T': option.until = atof(optarg); break;
        case 'p': option.prefix = strtoul(optarg, NULL, 16); break;
        case 'v': option.vendor_class = optarg; break;
        default: fprintf(stderr, "unknown option; see the head of dhcp_load.c\n"), exit(2);
        }
    }
    if (option.window < 1 || option.window > MAX_WINDOW || option.clients + option.first > 1 << 24)
        fprintf(stderr, "window or clients out of range\n"), exit(2);
}

int main(int argc, char **argv)
{
    double began, took;

    parse(argc, argv);
    clients = calloc(option.clients, sizeof *clients);
    times = calloc(option.clients, sizeof *times);
    owner = calloc(1 << 20, sizeof *owner);
    if (!clients || !times || !owner)
        die("calloc");
    sock = option.mode == RENEW ? dhcp_socket(INADDR_ANY, 68) : dhcp_socket(option.giaddr, 67);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(67), .sin_addr.s_addr = htonl(option.server)};
    began = seconds();
    run();
    took = seconds() - began;
    qsort(times, done, sizeof *times, by_value);
    printf("{\"started\": %u, \"done\": %u, \"failed\": %u, \"resent\": %u, \"naks\": %u, \"strange\": %u, \"doubles\": %u, "
           "\"seconds\": %.4f, \"rate\": %.1f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"cpu\": %.3f}\n",
           started, done, failed, resent, naks, strange, doubles, took, done / took, percentile(times, done, 0.5) * 1e3,
           percentile(times, done, 0.99) * 1e3, percentile(times, done, 1) * 1e3, cpu_seconds());
    return 0;
}
