#include "net/silence.h"

static uint64_t longer(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

void ftp_silence_init(struct ftp_silence *s, uint64_t timeout_ns, uint64_t now_ns)
{
	*s = (struct ftp_silence){
		.timeout_ns = timeout_ns, .heard_ns = now_ns, .looked_ns = now_ns};
}

static void allow(struct ftp_silence *s, uint64_t least_ns, uint64_t now_ns)
{
	s->least_ns = least_ns;
	s->least_until_ns = now_ns + FTP_SILENCE_MEMORY_NS;
}

void ftp_silence_watch(struct ftp_silence *s, uint64_t least_ns, uint64_t now_ns)
{
	if (!s->is_watched)
		s->watched_ns = now_ns;
	s->is_watched = true;
	allow(s, least_ns, now_ns);
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
	*longest_ns = longer(*longest_ns, gap_ns);
	if (gap_ns > FTP_SILENCE_LEAST_NS)
		allow(s, longer(s->least_ns, FTP_SILENCE_TIMES * gap_ns), now_ns);
	if (now_ns < s->window_ns + FTP_SILENCE_WINDOW_NS)
		return;
	s->window_ns = now_ns;
	s->window = (s->window + 1) % FTP_SILENCE_WINDOWS;
	s->gap_ns[s->window] = 0;
}

void ftp_silence_heard(struct ftp_silence *s, uint64_t now_ns)
{
	uint64_t since_ns = longer(s->heard_ns, s->watched_ns);

	if (s->is_watched && now_ns > since_ns)
		note_gap(s, now_ns - since_ns, now_ns);
	s->heard_ns = now_ns;
	s->is_excused = false;
}

static uint64_t allowed_ns(const struct ftp_silence *s)
{
	uint64_t wait_ns = FTP_SILENCE_LEAST_NS;

	if (s->heard_ns < s->least_until_ns)
		wait_ns = longer(wait_ns, s->least_ns);
	for (int i = 0; i < FTP_SILENCE_WINDOWS; i++)
		wait_ns = longer(wait_ns, FTP_SILENCE_TIMES * s->gap_ns[i]);
	return wait_ns;
}

uint64_t ftp_silence_wait_ns(const struct ftp_silence *s)
{
	if (!s->is_watched || allowed_ns(s) > s->timeout_ns)
		return s->timeout_ns;
	return allowed_ns(s);
}
