/* A whole run: the coordinator, its nodes, an operator with a script, a supervisor, and faults, in
 * virtual time. One spec gives one life, always. */
#ifndef FTP_TESTS_SIM_CLUSTER_H
#define FTP_TESTS_SIM_CLUSTER_H

#include "ctl/config.h"
#include "ctl/coordinator_state.h"
#include "tests/sim/coordinator_shell.h"
#include "tests/sim/files.h"
#include "tests/sim/node.h"
#include "tests/sim/site.h"

#define SIM_MAX_NODES	 8
#define SIM_MAX_ORDERS	 16
#define SIM_MAX_FAULTS	 6
#define SIM_MAX_SLOWDOWN 8	       /* of EMULATE */
#define SIM_COORDINATOR	 SIM_MAX_NODES /* as a victim */

enum sim_order_kind { SIM_REPARTITION, SIM_DRAIN, SIM_JOIN, SIM_EMULATE };

struct sim_order { /* of the operator, once the row of a step is written */
	enum sim_order_kind kind;
	uint64_t step;
	uint32_t node;	   /* DRAIN, JOIN, EMULATE */
	char cuts[32];	   /* REPARTITION */
	char nodes[32];	   /* "n1,n3" */
	uint32_t slowdown; /* EMULATE */
	bool opens_window; /* moments are counted from here, until the change has settled */
};

enum sim_fault_kind {
	SIM_KILL,
	SIM_FREEZE,
	SIM_FREEZE_1S,
	SIM_HANG, /* of a node's worker; its links stay, as with a net loop of its own */
	SIM_DROP,
	SIM_POWER,	/* of the whole site, for a while */
	SIM_CRASH,	/* of the coordinator's machine alone: what was not synced may be lost */
	SIM_ECHO,	/* the halt before the plan in force comes to a node, once more */
	SIM_PARTED,	/* the link between two nodes is down; both answer the coordinator */
	SIM_DISK_FAILS, /* an operation of a node's disk, or a few */
	SIM_DISK_FULL,	/* for a while */
	SIM_DISK_SLOW,	/* likewise */
	SIM_N_FAULTS,
};

/* Mistakes that the invariants are to find: what the cluster would be without one check. */
enum sim_plant {
	SIM_PLANT_NONE,
	SIM_PLANT_NO_TERM_CHECK,    /* whatever a node tells or answers is of the term awaited */
	SIM_PLANT_NO_HISTORY_CHECK, /* the coordinator believes states of abandoned histories */
	SIM_PLANT_STALE_REPLICA,   /* nodes keep such states, and say that the term of now made them
				    */
	SIM_PLANT_FREED_EARLY,	   /* a node frees the stable snapshot when the next one is named */
	SIM_PLANT_NO_SYNC,	   /* of a put's data, before the manifest that lists it */
	SIM_PLANT_NO_JOURNAL_SYNC, /* the power may take the coordinator's last word */
	SIM_PLANT_DURABLE_EARLY,   /* a node has put every unit, by what it tells */
	SIM_PLANT_HALTED_IN_FORCE, /* a node that has halted trains, by what it tells */
	SIM_PLANT_OLD_HALT,	   /* a node halts for any term */
	SIM_PLANT_UNREACHED,	   /* nodes do not tell whom they do not reach */
	SIM_PLANT_FAILED_PUT,	   /* a put that failed is told as done */
	SIM_PLANT_REUSED_EARLY,	   /* a stage uses memory again that the network holds */
	SIM_N_PLANTS,
};

struct sim_fault {
	enum sim_fault_kind kind;
	uint32_t moment;   /* from 0 */
	uint32_t victim;   /* node of the config, or SIM_COORDINATOR; DROP, POWER, CRASH: none */
	uint32_t peer;	   /* PART: another node */
	bool is_one_way;   /* PART: nothing comes to the peer, but from it */
	uint64_t lasts_ns; /* PART, FULL, SLOW; PART: FTP_NS_NEVER: for good */
	/* POWER: each process begins again after outage_ns and up to spread_ns more. */
	uint64_t outage_ns, spread_ns;
	uint64_t absent;	 /* nodes that do not come back by themselves */
	uint64_t wiped, damaged; /* nodes whose disk is */
	uint32_t n_nodes;	 /* of the config from then on; 0: as before */
};

struct sim_spec {
	uint64_t seed;
	uint32_t n_nodes, n_units;
	char cuts[32];
	enum ftp_config_schedule schedule;
	uint32_t n_micro;
	uint64_t n_steps;
	uint64_t unit_ns;  /* the forward of a micro-batch through a small unit */
	uint64_t build_ns; /* mean */
	uint64_t snapshot_every, snapshot_global; /* steps; 0: off, and nobody recovers */
	uint64_t snapshot_bytes_per_s;		  /* to one other node; 0: no limit */
	struct sim_order orders[SIM_MAX_ORDERS];
	uint32_t n_orders;
	struct sim_fault faults[SIM_MAX_FAULTS];
	uint32_t n_faults;
	uint64_t checkpoint_every; /* steps; 0: nothing is put on disks */
	uint32_t checkpoint_keep;
	uint32_t n_nodes_first;		 /* of the config, until a fault changes it; 0: n_nodes */
	uint64_t restart_ns;		 /* a killed node is started again within; 0: never */
	uint64_t coordinator_restart_ns; /* likewise, and somewhat later in any case */
	bool keeps_stale; /* nodes hold on to states of abandoned histories, as a disk does */
	enum sim_plant plant;
	bool always_counts; /* moments are counted from the start */
	bool logs;	    /* the coordinator's log is part of the trace */
	FILE *trace;
	bool traces_window; /* not what comes before it */
};

struct sim_moment {
	char what[120];
	bool is_message; /* being sent: it can be dropped */
};

struct sim_cluster {
	struct sim_spec spec;
	struct sim_world world;
	struct oracle oracle;
	struct ftp_config config;
	struct ftp_config_node config_nodes[SIM_MAX_NODES];
	char names[SIM_MAX_NODES][8];
	struct ftp_coordinator_unit units[ORACLE_MAX_UNITS];
	struct ftp_coordinator_settings core;
	struct sim_model model;
	struct sim_process *site;
	struct sim_coordinator *coordinator; /* the latest process, as of each name below */
	struct sim_node *nodes[SIM_MAX_NODES];
	struct sim_files files;
	struct simulated_disk *disks[SIM_MAX_NODES];			     /* NULL: none */
	uint64_t full_until_ns[SIM_MAX_NODES], slow_until_ns[SIM_MAX_NODES]; /* disks */
	uint64_t faulty_disks;						     /* nodes: may fail */
	/* By node and step: units that its disk has acknowledged, and keeps. */
	uint16_t on_disk[SIM_MAX_NODES][SIM_MAX_STEPS];
	struct ftp_exited missed[SIM_MAX_NODES]; /* told to no coordinator yet; who "": none */
	uint64_t start_ns[SIM_MAX_NODES], start_coordinator_ns; /* again; 0: not */
	uint32_t n_ends[SIM_MAX_NODES];
	bool is_site_new; /* the power was off */
	int64_t last_pid;
	uint64_t now_term;   /* the plan that was committed last */
	uint64_t now_stages; /* its nodes */
	uint32_t n_given;    /* orders */
	uint32_t n_tries;    /* of the order under way */
	int64_t asked;	     /* the order under way, in the coordinator's asks; -1 */
	bool counts;
	uint32_t n_moments;
	struct sim_moment *moments;	/* NULL: not kept */
	uint64_t hit;			/* nodes that a fault may have ended */
	uint64_t parted[SIM_MAX_NODES]; /* from whom each was ever parted */
	bool is_worker_hit;
	uint64_t answer_by_ns;		 /* a frozen coordinator is killed then; 0: none is */
	uint64_t reap_ns;		 /* the supervisor ends what is left */
	char fates[SIM_MAX_NODES][1024]; /* what went wrong since its latest plan, in its words */
	bool is_blame_indirect;		 /* the run's reason names one that was not hit */
	uint32_t n_committed, n_abandoned, n_recovered, n_waits, n_restarted, n_coordinators;
	uint32_t n_struck[SIM_N_FAULTS],
		n_struck_in[FTP_N_CHANGE_PHASES]; /* faults that took effect */
	uint32_t n_struck_coordinator, n_struck_central;
	/* Faults that may cost a recovery: so far, when one last began, when a row last came. */
	uint32_t n_causes, n_causes_begun, causes_at_row[SIM_MAX_STEPS];
	uint32_t recovered_at; /* the moment when the first recovery had ended; 0: none has */
	uint64_t stable_step;  /* the newest, of the history that counts, for any coordinator */
	uint64_t cut_row;      /* the last one before rows were cut */
	uint64_t halt_term, halted[SIM_MAX_NODES]; /* the latest, and who was there: incarnations */
	uint64_t wait_ns;			   /* since when the run waits; 0: it does not */
	char waited_for[600];			   /* in its words */
	uint32_t recovers_asked;		   /* since then: a bit for each kind of wait */
	uint64_t recover_ns;			   /* when it was asked last */
	uint64_t begun_ns[SIM_MAX_NODES];	   /* by the operator, last */
};

/* Runs to the end. false: an invariant broke; c->oracle.failure says which. c is to be freed. */
bool sim_cluster_run(struct sim_cluster *c, const struct sim_spec *spec, bool keep_moments);
void sim_cluster_free(struct sim_cluster *c);

const char *sim_fault_name(enum sim_fault_kind kind);
const char *sim_plant_name(enum sim_plant plant);

#define SIM_TELL_NS	(20 * FTP_NS_PER_MS) /* until a child's end is told, at most */
#define SIM_MAX_MOMENTS 4096		     /* that are kept */

/* faults.c: of struct sim_world. */
bool sim_faults_moment(void *arg, struct sim_process *const *ends, const char *what);

/* operator.c: once a turn. */
void sim_operator_attend(struct sim_cluster *c);

/* judge.c: whether it is right, */
void sim_judge_turn(struct sim_cluster *c);   /* now, */
void sim_judge_end(struct sim_cluster *c);    /* how the run has ended, */
void sim_judge_begins(struct sim_cluster *c); /* that a recovery begins, */
void sim_judge_wait(struct sim_cluster *c);   /* that it waits, */
void sim_judge_parted(struct sim_cluster *c); /* for links, */
void sim_judge_recovery(struct sim_cluster *c, const struct ftp_plan *plan); /* its step, */
void sim_judge_resumed(struct sim_cluster *c);		     /* that training goes on as it is, */
void sim_judge_stable(struct sim_cluster *c, uint64_t step); /* to call a snapshot that, */
void sim_judge_durable(struct sim_cluster *c, uint64_t step);
void sim_judge_join(struct sim_cluster *c, const struct sim_node *n, const struct ftp_join *m);
void sim_judge_halt(
	struct sim_cluster *c, const struct sim_node *n, uint64_t had_term, uint64_t term);

/* For the processes. */
uint64_t sim_cluster_unit_ns(const struct sim_cluster *c, uint32_t unit);
void sim_cluster_called(struct sim_cluster *c, const char *method, uint64_t term);
bool sim_cluster_is_ghost(const struct sim_cluster *c, const struct sim_node *n);
void sim_cluster_event(struct sim_cluster *c, const json_t *event);
/* What the node says of its failure, or of that of a plan. */
void sim_cluster_failed(struct sim_cluster *c, const struct sim_node *n, const char *reason);
/* A node that starts has it on its disk. */
void sim_cluster_found(
	struct sim_cluster *c, struct sim_node *n, uint32_t unit, uint64_t step, uint64_t term);
/* All of that has been found: what was acknowledged is among it. */
void sim_cluster_opened(struct sim_cluster *c, const struct sim_node *n);
/* A put begins: of what was put before, what is pinned is sure to be kept. */
void sim_cluster_puts(struct sim_cluster *c, const struct sim_node *n, uint64_t pinned_step);
/* The disk has acknowledged it. */
void sim_cluster_put(struct sim_cluster *c, const struct sim_node *n, uint32_t unit, uint64_t step,
	uint64_t term);
/* It does not give it back. */
void sim_cluster_unreadable(
	struct sim_cluster *c, struct sim_node *n, uint32_t unit, uint64_t step);

#endif
