/* How a process of a drill can be made to fail (ftpctl fail). Pure; any thread. */
#ifndef FTP_CTL_DRILL_H
#define FTP_CTL_DRILL_H

#define FTP_DRILL_HOWS	  "kill, stop or abort"
#define FTP_DRILL_DEFAULT "kill"

/* The signal that the process raises on itself; 0: there is no such way. */
int ftp_drill_signal(const char *how);

#endif
