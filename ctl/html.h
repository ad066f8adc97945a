/* A page that needs nothing but itself: style inside, no scripts, light and dark. Written to a
 * stream; whether that went well is the stream's to say. Any thread. */
#ifndef FTP_CTL_HTML_H
#define FTP_CTL_HTML_H

#include <stdio.h>

/* From here and to here the caller writes the body. */
void ftp_html_begin(FILE *f, const char *title);
void ftp_html_end(FILE *f);

/* Escaped for text and for attribute values in double quotes; bytes below blank become blanks. */
void ftp_html_text(FILE *f, const char *text);

/* <h2> and a paragraph (NULL: none). */
void ftp_html_section(FILE *f, const char *title, const char *text);

/* A table's head: columns end with NULL; those that begin with ">" are aligned to the right. Then
 * rows; <td> of ftp_html_cell() is escaped. */
void ftp_html_table(FILE *f, const char *const *columns);
void ftp_html_row(FILE *f);
void ftp_html_cell(FILE *f, const char *text);
void ftp_html_number(FILE *f, const char *format, double value)
	__attribute__((format(printf, 2, 0)));
void ftp_html_table_end(FILE *f);

#endif
