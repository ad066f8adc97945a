#include "ctl/html.h"

/* Series colours keep their order and are told apart without colour vision (Okabe and Ito, 2008;
 * a little lighter on dark). */
static const char style[] =
	":root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1c1d1f;--dim:#62666d;--line:#dfe1e4;"
	"--card:#fff;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b0679a;--s4:#8a6d00;--s5:#2f8fc4;"
	"--bad:#b3261e}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#16181b;--fg:#e7e8ea;--dim:#9aa0a8;"
	"--line:#33373d;--card:#1d2024;--s0:#4da3dc;--s1:#f08a3c;--s2:#2fc397;--s3:#dd97c8;"
	"--s4:#d9b93b;--s5:#86c7ec;--bad:#ff8a80}}\n"
	"*{box-sizing:border-box}body{margin:0 auto;padding:28px 24px 60px;max-width:1080px;"
	"background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,Segoe UI,"
	"Helvetica,Arial,sans-serif}\n"
	"h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 6px}p{margin:4px 0 10px;"
	"color:var(--dim);max-width:76ch}\n"
	".figures{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}.figures div{background:"
	"var(--card);border:1px solid var(--line);border-radius:8px;padding:10px "
	"16px;min-width:120px}"
	".figures b{display:block;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}"
	".figures span{font-size:13px;color:var(--dim)}\n"
	".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;"
	"font-variant-numeric:tabular-nums;margin:8px 0}th{text-align:left;font-weight:600;"
	"color:var(--dim)}th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--line);"
	"vertical-align:top}td.n,th.n{text-align:right;white-space:nowrap}\n"
	".bad{color:var(--bad)}svg{display:block;width:100%;height:auto;background:var(--card);"
	"border:1px solid "
	"var(--line);border-radius:8px;margin:8px 0}svg text{fill:var(--dim);font-size:12px;"
	"font-family:inherit}svg .grid{stroke:var(--line)}svg .curve{fill:none;stroke-width:1.8;"
	"stroke-linejoin:round}svg .dashed{stroke-dasharray:5 4}svg .mark{stroke:var(--dim);"
	"stroke-dasharray:2 3}svg .name{fill:var(--fg)}svg .badge{fill:var(--fg)}svg .badge-text"
	"{fill:var(--card);font-size:11px;font-weight:600;text-anchor:middle}\n"
	".c0{--c:var(--s0)}.c1{--c:var(--s1)}.c2{--c:var(--s2)}.c3{--c:var(--s3)}.c4{--c:var(--s4)}"
	".c5{--c:var(--s5)}svg .curve,svg .key{stroke:var(--c)}svg rect.task{fill:var(--c)}"
	"svg rect.odd{opacity:.72}svg .micro{fill:var(--card);font-size:10px;text-anchor:middle}\n";

void ftp_html_text(FILE *f, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};

	for (; *text; text++) {
		const char *entity = NULL;

		for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++)
			if (entities[i].c == *text)
				entity = entities[i].entity;
		if (entity)
			fputs(entity, f);
		else
			fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
	}
}

void ftp_html_begin(FILE *f, const char *title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
	      "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
		f);
	ftp_html_text(f, title);
	fprintf(f, "</title>\n<style>\n%s</style></head>\n<body>\n", style);
}

void ftp_html_end(FILE *f)
{
	fputs("</body></html>\n", f);
}

void ftp_html_section(FILE *f, const char *title, const char *text)
{
	fputs("<h2>", f);
	ftp_html_text(f, title);
	fputs("</h2>\n", f);
	if (!text)
		return;
	fputs("<p>", f);
	ftp_html_text(f, text);
	fputs("</p>\n", f);
}

void ftp_html_table(FILE *f, const char *const *columns)
{
	fputs("<div class=\"scroll\"><table><thead><tr>", f);
	for (; *columns; columns++) {
		fputs(**columns == '>' ? "<th class=\"n\">" : "<th>", f);
		ftp_html_text(f, *columns + (**columns == '>'));
		fputs("</th>", f);
	}
	fputs("</tr></thead><tbody>\n", f);
}

void ftp_html_row(FILE *f)
{
	fputs("\n<tr>", f);
}

void ftp_html_cell(FILE *f, const char *text)
{
	fputs("<td>", f);
	ftp_html_text(f, text);
	fputs("</td>", f);
}

void ftp_html_number(FILE *f, const char *format, double value)
{
	fputs("<td class=\"n\">", f);
	fprintf(f, format, value);
	fputs("</td>", f);
}

void ftp_html_table_end(FILE *f)
{
	fputs("\n</tbody></table></div>\n", f);
}
