#include <string.h>
#include <unistd.h>

#include "ctl/doctor.h"
#include "ctl/ftpctl.h"
#include "ctl/terminal.h"

static json_t *result_json(const struct ftp_doctor_result *r)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "name", r->name, "state",
		ftp_doctor_state_name(r->state), "ok", r->state != FTP_DOCTOR_FAIL, "need", r->need,
		"have", r->have, "fix", r->fix);
}

static void print_json(const struct ftp_doctor_report *report)
{
	json_t *checks = json_array();

	for (int i = 0; i < report->n_results; i++)
		json_array_append_new(checks, result_json(&report->results[i]));
	ftp_ftpctl_print_json(json_pack("{s:b, s:o}", "ok", report->ok, "checks", checks));
}

static void print_table(const struct ftp_doctor_report *report)
{
	static const enum ftp_terminal_colour colours[] = {
		[FTP_DOCTOR_OK] = FTP_TERMINAL_GREEN,
		[FTP_DOCTOR_NOTE] = FTP_TERMINAL_YELLOW,
		[FTP_DOCTOR_FAIL] = FTP_TERMINAL_RED,
	};

	for (int i = 0; i < report->n_results; i++) {
		const struct ftp_doctor_result *r = &report->results[i];

		printf("%s%-4s%s  %-9s  need %s\n", ftp_terminal_colour(stdout, colours[r->state]),
			ftp_doctor_state_name(r->state),
			ftp_terminal_colour(stdout, FTP_TERMINAL_PLAIN), r->name, r->need);
		if (r->have[0])
			printf("%17shave %s\n", "", r->have);
		if (r->fix[0])
			printf("%17s%s  %s\n", "", r->state == FTP_DOCTOR_OK ? "  ->" : "fix",
				r->fix);
	}
}

int ftp_ftpctl_doctor(const struct ftp_options *o)
{
	struct ftp_doctor_report report;
	struct ftp_config *c = NULL;
	/* Without a configuration the machine alone is looked at. */
	bool configured = o->config || o->n_sets || !access(FTP_OPTIONS_DEFAULT_CONFIG, F_OK);
	int rc = configured ? ftp_ftpctl_load(&c, o) : 0;

	if (rc)
		return rc;
	ftp_doctor_run(c, &report);
	if (o->json)
		print_json(&report);
	else
		print_table(&report);
	if (!c)
		fprintf(stderr,
			"ftpctl: no configuration; ftpctl doctor -c FILE also looks at ports, "
			"data and directories\n");
	ftp_config_free(c);
	return report.ok ? FTP_EXIT_OK : FTP_EXIT_FAILURE;
}
