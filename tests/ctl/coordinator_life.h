/* A whole life of the coordinator's core in virtual time: a script of events goes in, a trace of
 * what it did comes out. The trace repeats the script, so that a trace is its own script: lines
 * that begin with two blanks are what the core did. One word per event:
 *
 *   life N_NODES CUTS ISA STEPS [drill|1f1b]   first; STEPS 0: one epoch of 4 steps
 *   join CONN NAME [protocol|config|data|isa|small]   the last breaks that field
 *   profile CONN N_UNITS		 prepared CONN TERM	committed CONN	   stopped CONN
 *   error CONN METHOD CODE TEXT	 lost CONN		failed CONN TEXT
 *   progress CONN TERM STEP FIRST LAST  rows FIRST to LAST (0 0: none); the loss of step s is 3 / s
 *   evaluated CONN TERM STEP		 finished CONN TERM STEP
 *   exited NAME SIGNAL CODE [TEXT]	 stop			status
 *   raw CONN METHOD JSON		 wait MS		broken TEXT
 *   hold CONN TERM STEP		 held CONN TERM STEP [UNIT]
 *  	 repartition CUTS|- NODES|- FORCE
 *   drain NAME				 emulate NAME SETTINGS
 *   serve K|all    the K-th call that waits, or all, are answered as a real node does
 *   train N	    all stages do N steps more
 *   pace MS	    a step of `train` takes so long
 *   slow NAME X    the node's steps, and its profile, take X times what they took
 *   plan	    what run.plan answers
 *   memory NODE MIB  its limit
 *   recover [from-beginning]
 *   pause MS	    nothing runs for so long, nor listens
 *   late MS	    what follows has come meanwhile, and is read so much later; the next wait ticks
 *   restart [lost|asked|with N|without NODE]   the coordinator is killed and comes back: without
 *		    its journal, asked to resume, with so many nodes or without one in its
 *		    configuration; all connections are gone, and no call of the old one is answered
 *   tamper PATH JSON   of the journal that the next restart is given; not if that is refused
 *   rejoin CONN NAME [FIELD NUMBER]...   a process that lived on joins, with other numbers than it
 *		    would say, and tells the losses that are missing
 *   away N	    all stages do N steps more, and nobody hears of it
 *   finish	    all stages have finished, if the last step is done
 */
#ifndef FTP_TESTS_COORDINATOR_LIFE_H
#define FTP_TESTS_COORDINATOR_LIFE_H

/* text is a script or a trace: of a trace the lines of what the core did are left out. free() it.
 */
char *life_trace(const char *text);

#endif
