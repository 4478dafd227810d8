/* SPDX-License-Identifier: MIT
 *
 * proxyd: from the command line to the supervisor.
 */
#include "base/log.h"
#include "config/config.h"
#include "ctl/daemon.h"
#include "proxyd/supervisor.h"

int main(int argc, char **argv)
{
	struct daemon_options o;
	struct config *c;
	struct error e;
	int status = daemon_options(&o, "proxyd", argc, argv);

	if (status >= 0)
		return status;
	if (o.check)
		return daemon_check_config(o.config);
	if (o.detach && daemon_detach(&o, &e) != ERR_OK)
		return daemon_fail(&o, "cannot start", &e);
	c = daemon_load_config(o.config);
	if (!c)
		return DAEMON_FAILED;
	if (daemon_log_open(&o, c->server.log_level, &e) != ERR_OK) {
		status = daemon_fail(&o, "cannot start", &e);
		config_free(&c);
		return status;
	}
	return supervisor_run(&o, c);
}
