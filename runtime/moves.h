/* What a plan says of its members and of the units that move between them. Pure; any thread.
 *
 * A member is a stage, or one of those who leave: numbered as ftp_plan_member() does. A unit's
 * state has a holder, the member that has it at the boundary, and an owner, the stage that gets it.
 */
#ifndef FTP_RUNTIME_MOVES_H
#define FTP_RUNTIME_MOVES_H

#include <stdbool.h>

#include "ctl/protocol.h"

#define FTP_MOVES_NOBODY (-1)

int ftp_moves_n_members(const struct ftp_plan *plan);

/* The member that a node of the config is, or FTP_MOVES_NOBODY. */
int ftp_moves_member_of(const struct ftp_plan *plan, uint32_t node);

bool ftp_moves_is_stage(const struct ftp_plan *plan, int member);

/* FTP_MOVES_NOBODY: the state is drawn from the seed. */
int ftp_moves_holder(const struct ftp_plan *plan, uint32_t unit);
int ftp_moves_owner(const struct ftp_plan *plan, uint32_t unit);

/* The unit travels from holder to owner. */
bool ftp_moves_travels(const struct ftp_plan *plan, uint32_t unit);

/* Stages that are neighbours talk, and the central node with every stage. */
bool ftp_moves_connects_stages(int a, int b);

/* Whether two members talk: stages as above, and the holder of a unit that travels with its owner.
 */
bool ftp_moves_connects(const struct ftp_plan *plan, int a, int b);

#endif
