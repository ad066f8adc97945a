/* The links between the processes of a simulated world: pairs of ports on one simulated network
 * (net/simulated.h), over which the real connections run (net/connection.h). A link is known by a
 * key that both its ends derive. Who comes first has an end that leads nowhere until the other has
 * come; when it leaves before, the next who comes is the first of another link.
 *
 * Latency, jitter and losses are the world's, drawn from its seed, and whether an end that goes is
 * noticed, as with shared memory, or has to say so while it can, as with UDP. The way from one
 * server to another may be cut: what is sent is lost, and what is on its way too.
 */
#ifndef FTP_TESTS_SIM_LINKS_H
#define FTP_TESTS_SIM_LINKS_H

#include "net/port.h"
#include "tests/sim/world.h"

void sim_links_init(struct sim_world *w, uint64_t seed);
void sim_links_free(struct sim_world *w); /* every process has closed its ends */

/* p's end. It is the caller's, who says when he is about to close it. */
struct ftp_port *sim_links_open(struct sim_world *w, uint64_t key, struct sim_process *p);
void sim_links_leave(struct sim_world *w, struct ftp_port *end);

/* Something notable is about to be sent over it: false if the link breaks, or broke before. */
bool sim_links_send(struct sim_world *w, struct ftp_port *end, const char *what);

/* Its process has died: the other ends learn that. */
void sim_links_end(struct sim_world *w, const struct sim_process *p);

/* When something comes next; it does, and those whom it concerns are woken. */
uint64_t sim_links_next_ns(const struct sim_world *w);
void sim_links_turn(struct sim_world *w);
void sim_links_advance(struct sim_world *w); /* its time is the world's: nothing comes until then */

/* A cut lasts longer than the shortest silence after which a link is lost. */
bool sim_links_is_fatal(const struct sim_world *w, uint64_t lasts_ns);
/* The way from one place to another has been cut or is open again. */
void sim_links_cut(struct sim_world *w, uint32_t from, uint32_t to);

#endif
