/* The story of a run, for who comes to it at night: what went wrong, what was done about it, when,
 * and what it cost. From the events of a run (ctl/events.h) in their order, whatever they hold:
 * old runs lack some kinds, a killed one its end. Bounded memory; one thread. */
#ifndef FTP_CTL_STORY_H
#define FTP_CTL_STORY_H

#include <jansson.h>
#include <stdio.h>

#define FTP_STORY_MAX_CHAPTERS 200 /* older ones are only counted */

struct ftp_story;

struct ftp_story *ftp_story_new(void);
void ftp_story_free(struct ftp_story *s);

/* An ftp_events_each; arg: the story. */
void ftp_story_take(void *arg, const char *kind, const json_t *event);

/* The document, the caller's: run, nodes, n_earlier, chapters, outcome, reason (null: no end was
 * written), last_t, last_time, step (the last of which a loss was told). Of a chapter: t, time,
 * kind, text; of a loss also node[], resumed, lost_steps, total_s and parts: what, after_s, text.
 */
json_t *ftp_story_document(const struct ftp_story *s);

/* A chapter of it, or all, as lines. */
void ftp_story_print_chapter(FILE *f, const json_t *chapter);

#endif
