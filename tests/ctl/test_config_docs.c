/* docs/config.md names every key of the schema once, no other, and their defaults. */
#include <string.h>

#include "ctl/config_schema.h"
#include "tests/base/check.h"

#define MAX_KEYS 128

struct row {
	char key[64], value[64]; /* the default: between backticks, else "" */
};

static struct row schema_rows[MAX_KEYS], doc_rows[MAX_KEYS];
static int n_schema, n_docs;

static void walk(const cyaml_schema_value_t *schema, const char *path, const struct ftp_yaml *all,
	const struct ftp_yaml *node)
{
	if (schema->type == CYAML_SEQUENCE) {
		char entry[64];

		snprintf(entry, sizeof(entry), "%s[]", path);
		walk(schema->sequence.entry, entry, node, NULL);
		return;
	}
	if (schema->type != CYAML_MAPPING) {
		struct row *r = &schema_rows[n_schema++];

		assert_true(n_schema <= MAX_KEYS);
		snprintf(r->key, sizeof(r->key), "%s", path);
		snprintf(r->value, sizeof(r->value), "%s", all ? all->text : "");
		return;
	}
	for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key; f++) {
		char child[64];

		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "." : "", f->key);
		walk(&f->value, child, ftp_yaml_child(all, f->key), node);
	}
}

static int read_schema(void **state)
{
	struct ftp_yaml *all, *node;

	(void)state;
	if (ftp_yaml_parse(&all, ftp_config_defaults, strlen(ftp_config_defaults), "defaults", true,
		    NULL) ||
		ftp_yaml_parse(&node, ftp_config_node_defaults, strlen(ftp_config_node_defaults),
			"defaults", true, NULL))
		return -1;
	walk(&ftp_config_schema, "", all, node);
	ftp_yaml_free(all);
	ftp_yaml_free(node);
	return 0;
}

static int read_docs(void **state)
{
	FILE *f = fopen(FTP_SOURCE_DIR "/docs/config.md", "r");
	char line[1024];

	if (!f || read_schema(state))
		return -1;
	while (fgets(line, sizeof(line), f)) {
		struct row *r = &doc_rows[n_docs];

		memset(r, 0, sizeof(*r));
		if (n_docs < MAX_KEYS &&
			sscanf(line, "| `%63[^`]` | `%63[^`]` |", r->key, r->value) >= 1)
			n_docs++;
	}
	return fclose(f);
}

static const struct row *find(const struct row *rows, int n, const char *key, int *times)
{
	const struct row *found = NULL;

	*times = 0;
	for (int i = 0; i < n; i++) {
		if (strcmp(rows[i].key, key))
			continue;
		found = &rows[i];
		++*times;
	}
	return found;
}

static void docs__have_every_key_once(void **state)
{
	(void)state;
	assert_true(n_schema > 40);
	for (int i = 0; i < n_schema; i++) {
		int times;
		const struct row *doc = find(doc_rows, n_docs, schema_rows[i].key, &times);

		if (times != 1)
			fail_msg("docs/config.md names %s %d times", schema_rows[i].key, times);
		if (schema_rows[i].value[0])
			assert_string_equal(doc->value, schema_rows[i].value);
		else
			assert_string_equal(doc->value, "");
	}
}

static void docs__have_no_other_key(void **state)
{
	(void)state;
	for (int i = 0; i < n_docs; i++) {
		int times;

		if (!find(schema_rows, n_schema, doc_rows[i].key, &times))
			fail_msg("docs/config.md names %s, the schema does not", doc_rows[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docs__have_every_key_once),
		cmocka_unit_test(docs__have_no_other_key),
	};

	return cmocka_run_group_tests(tests, read_docs, NULL);
}
