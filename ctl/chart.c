#include "ctl/chart.h"

#include <math.h>

#include "ctl/html.h"

#define HEIGHT 320
#define LEFT   64
#define RIGHT  16
#define TOP    34 /* without marks */
#define BOTTOM 40

#define MARK_RADIUS 9
#define MARK_ROWS   3
#define MARKS_TOP   (TOP + MARK_ROWS * 2 * (MARK_RADIUS + 1))

struct frame {
	double x0, x1, y0, y1; /* of the values */
	double top;	       /* of the plot */
};

double ftp_chart_tick(double low, double high, int n)
{
	double raw = (high - low) / n, power, unit;

	if (!(raw > 0) || !isfinite(raw))
		return 1;
	power = pow(10, floor(log10(raw)));
	unit = raw / power;
	return power * (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10);
}

static double at_x(const struct frame *r, double x)
{
	return LEFT + (x - r->x0) / (r->x1 - r->x0) * (FTP_CHART_WIDTH - LEFT - RIGHT);
}

static double at_y(const struct frame *r, double y)
{
	return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - r->top - BOTTOM);
}

static void widen(double *low, double *high)
{
	if (*high > *low)
		return;
	*low -= *low ? fabs(*low) / 10 : 1;
	*high += *high ? fabs(*high) / 10 : 1;
}

static bool measure(const struct ftp_chart *c, struct frame *r)
{
	*r = (struct frame){INFINITY, -INFINITY, INFINITY, -INFINITY, c->n_marks ? MARKS_TOP : TOP};
	for (uint32_t l = 0; l < c->n_lines; l++) {
		const struct ftp_series *s = c->lines[l].series;

		for (uint32_t i = 0; i < s->n; i++) {
			r->x0 = fmin(r->x0, s->x[i]);
			r->x1 = fmax(r->x1, s->x[i]);
			r->y0 = fmin(r->y0, s->y[i]);
			r->y1 = fmax(r->y1, s->y[i]);
		}
	}
	if (!(r->x0 <= r->x1))
		return false;
	if (c->from_zero)
		r->y0 = fmin(r->y0, 0);
	widen(&r->x0, &r->x1);
	widen(&r->y0, &r->y1);
	r->y1 += (r->y1 - r->y0) / 20;
	return true;
}

static void write_axes(FILE *f, const struct ftp_chart *c, const struct frame *r)
{
	double tick = ftp_chart_tick(r->y0, r->y1, 5);

	for (double y = ceil(r->y0 / tick) * tick; y <= r->y1; y += tick)
		fprintf(f,
			"<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text "
			"x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n",
			LEFT, FTP_CHART_WIDTH - RIGHT, at_y(r, y), at_y(r, y), LEFT - 8,
			at_y(r, y) + 4, fabs(y) < tick / 1e6 ? 0 : y);
	tick = ftp_chart_tick(r->x0, r->x1, 8);
	for (double x = ceil(r->x0 / tick) * tick; x <= r->x1; x += tick)
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.8g</text>\n",
			at_x(r, x), HEIGHT - BOTTOM + 18, fabs(x) < tick / 1e6 ? 0 : x);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", FTP_CHART_WIDTH - RIGHT,
		HEIGHT - 6);
	ftp_html_text(f, c->x_name);
	fprintf(f, "</text>\n<text x=\"8\" y=\"18\">");
	ftp_html_text(f, c->y_name);
	fputs("</text>\n", f);
}

static void write_key(FILE *f, const struct ftp_chart *c)
{
	double x = FTP_CHART_WIDTH - RIGHT;

	if (c->n_lines < 2)
		return;
	for (uint32_t l = c->n_lines; l-- > 0;) {
		const struct ftp_chart_line *line = &c->lines[l];
		double width = 0;

		for (const char *t = line->name; *t; t++)
			width += 7;
		x -= width + 40;
		fprintf(f,
			"<g class=\"c%u\"><line class=\"key%s\" stroke-width=\"2\" x1=\"%.0f\" "
			"x2=\"%.0f\" y1=\"14\" y2=\"14\"/><text class=\"name\" x=\"%.0f\" "
			"y=\"18\">",
			line->colour % FTP_CHART_COLOURS, line->dashed ? " dashed" : "", x, x + 20,
			x + 26);
		ftp_html_text(f, line->name);
		fputs("</text></g>\n", f);
	}
}

static void write_line(FILE *f, const struct ftp_chart_line *line, const struct frame *r)
{
	const struct ftp_series *s = line->series;

	if (!s->n)
		return;
	fprintf(f, "<polyline class=\"curve c%u%s\" points=\"", line->colour % FTP_CHART_COLOURS,
		line->dashed ? " dashed" : "");
	for (uint32_t i = 0; i < s->n; i++)
		fprintf(f, "%.1f,%.1f ", at_x(r, s->x[i]), at_y(r, s->y[i]));
	fputs("\"/>\n", f);
}

/* Badges that would lie on one another go to the next row. */
static void write_marks(FILE *f, const struct ftp_chart *c, const struct frame *r)
{
	double free_from[MARK_ROWS] = {0};

	for (uint32_t i = 0; i < c->n_marks; i++) {
		const struct ftp_chart_mark *m = &c->marks[i];
		double x = at_x(r, m->x);
		int row = 0, y;

		if (m->x < r->x0 || m->x > r->x1)
			continue;
		while (row < MARK_ROWS - 1 && x < free_from[row])
			row++;
		free_from[row] = x + 2 * MARK_RADIUS + 2;
		y = MARKS_TOP - MARK_RADIUS - 2 - row * (2 * MARK_RADIUS + 2);
		fprintf(f,
			"<g><line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" "
			"y2=\"%d\"/><circle class=\"badge\" cx=\"%.1f\" cy=\"%d\" r=\"%d\"/>"
			"<text class=\"badge-text\" x=\"%.1f\" y=\"%d\">%u</text><title>",
			x, x, y, HEIGHT - BOTTOM, x, y, MARK_RADIUS, x, y + 4, m->number);
		ftp_html_text(f, m->title);
		fputs("</title></g>\n", f);
	}
}

bool ftp_chart_write(FILE *f, const struct ftp_chart *c)
{
	struct frame r;

	if (!measure(c, &r))
		return false;
	fprintf(f, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", FTP_CHART_WIDTH,
		HEIGHT);
	ftp_html_text(f, c->title);
	fputs("\">\n", f);
	write_axes(f, c, &r);
	write_key(f, c);
	for (uint32_t i = 0; i < c->n_lines; i++)
		write_line(f, &c->lines[i], &r);
	write_marks(f, c, &r);
	fputs("</svg>\n", f);
	return true;
}
