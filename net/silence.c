#include "net/silence.h"

#include <string.h>

void ftp_silence_init(struct ftp_silence *s, uint64_t timeout_ns, uint64_t now_ns)
{
	*s = (struct ftp_silence){
		.timeout_ns = timeout_ns, .heard_ns = now_ns, .looked_ns = now_ns};
}

void ftp_silence_watch(struct ftp_silence *s, uint64_t least_ns, uint64_t now_ns)
{
	s->is_watched = true;
	s->watched_ns = s->window_ns = now_ns;
	s->least_ns = least_ns > FTP_SILENCE_LEAST_NS ? least_ns : FTP_SILENCE_LEAST_NS;
	memset(s->gap_ns, 0, sizeof(s->gap_ns));
}

void ftp_silence_relax(struct ftp_silence *s)
{
	s->is_watched = false;
}

void ftp_silence_look(struct ftp_silence *s, uint64_t now_ns)
{
	uint64_t absent_ns = now_ns > s->looked_ns ? now_ns - s->looked_ns : 0;

	s->looked_ns = now_ns;
	if (absent_ns < FTP_SILENCE_ABSENT_NS || s->is_excused)
		return;
	s->heard_ns += absent_ns;
	s->is_excused = true;
}

static void note_gap(struct ftp_silence *s, uint64_t gap_ns, uint64_t now_ns)
{
	double share = (double)gap_ns / (double)ftp_silence_wait_ns(s);
	uint64_t *longest_ns = &s->gap_ns[s->window];

	s->narrowest = share > s->narrowest ? share : s->narrowest;
	*longest_ns = gap_ns > *longest_ns ? gap_ns : *longest_ns;
	if (now_ns < s->window_ns + FTP_SILENCE_WINDOW_NS)
		return;
	s->window_ns = now_ns;
	s->window = (s->window + 1) % FTP_SILENCE_WINDOWS;
	s->gap_ns[s->window] = 0;
}

void ftp_silence_heard(struct ftp_silence *s, uint64_t now_ns)
{
	if (s->is_watched && now_ns > s->heard_ns)
		note_gap(s, now_ns - s->heard_ns, now_ns);
	s->heard_ns = now_ns;
	s->is_excused = false;
}

static uint64_t allowed_ns(const struct ftp_silence *s)
{
	uint64_t longest_ns = 0;

	if (!s->is_watched)
		return s->timeout_ns;
	for (int i = 0; i < FTP_SILENCE_WINDOWS; i++)
		longest_ns = s->gap_ns[i] > longest_ns ? s->gap_ns[i] : longest_ns;
	if (FTP_SILENCE_TIMES * longest_ns < s->least_ns)
		return s->least_ns;
	return FTP_SILENCE_TIMES * longest_ns;
}

uint64_t ftp_silence_deadline_ns(const struct ftp_silence *s)
{
	uint64_t first_ns = s->watched_ns + FTP_SILENCE_FIRST_NS;
	uint64_t wait_ns = allowed_ns(s);

	wait_ns = wait_ns < s->timeout_ns ? wait_ns : s->timeout_ns;
	return s->is_watched && s->heard_ns + wait_ns < first_ns ? first_ns : s->heard_ns + wait_ns;
}
