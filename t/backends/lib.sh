# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Common part of the S3 test backend scripts in this directory; it is sourced.
#
# Each backend is one S3 endpoint on 127.0.0.1:PORT with storage of its own,
# kept in $STATE/PORT: data, log/, "pids" (name, pid, kernel start time) and
# "env" (KEY=VALUE lines without their prefix).
#
# A script that sources this file sets
#   STATE        state directory (absolute)
#   PREFIX       prefix of the printed variables
#   PACKAGES     Debian packages, and COMMANDS, the programs they bring
#   PROCESSES    process names of one backend, the S3 front end first
#   PROGRAM_DOC  the server-specific part of the usage text
# and defines
#   have_all             true when nothing needs to be installed
#   backend_start PORT   starts one backend, writes its "env"
#   backend_revive PORT  starts its front end again over the same data
# and then calls  main "$@".

# shellcheck disable=SC2034 # the scripts use these
PYTHON=/usr/bin/python3 # Debian's: the libraries are packaged for this one
ACCESS_SECRET=0123456789abcdefghijklmnopqrstuvwxyzABCD
REGION=us-east-1
START_TIMEOUT=${S3_BACKENDS_TIMEOUT:-60}
BUCKETS=${S3_BACKENDS_BUCKETS:-alpha beta gamma}

SELF=${0##*/}

die() {
	printf '%s: %s\n' "$SELF" "$*" >&2
	exit 1
}

usage() {
	cat <<-END
	usage: $SELF start N [PORT...]    start N backends (free ports where none is given)
	       $SELF start PORT...        start a backend on each PORT
	       $SELF stop [PORT...]       kill them and remove their state
	       $SELF status               list the processes; exit 0 when all run, 3 when none
	       $SELF env [PORT...]        print the KEY=VALUE lines again
	       $SELF install              only install the missing packages (apt-get)
	   faults:
	       $SELF pause PORT [PROC]    SIGSTOP ($PROCESSES; default ${PROCESSES%% *})
	       $SELF resume PORT [PROC]   SIGCONT
	       $SELF crash PORT [PROC]    SIGKILL
	       $SELF revive PORT          start a crashed ${PROCESSES%% *} again on the same data
	       $SELF quota PORT BUCKET BYTES|off
	$PROGRAM_DOC
	   environment:
	       S3_BACKENDS_STATE    parent of the state directory [\${TMPDIR:-/tmp}/s3-backends-UID]
	       S3_BACKENDS_BUCKETS  buckets to create in every backend [alpha beta gamma]
	       S3_BACKENDS_TIMEOUT  seconds one backend may take to start [60]
	       KEEP_LOGS=1          let stop leave PORT/log in place
	END
}

# --- processes -----------------------------------------------------------

# Prints "STATE STARTTIME" of a live process; fails when it is gone.
proc_stat() {
	local line
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086
	set -- ${line##*) }
	[ "$1" != Z ] && [ "$1" != X ] || return 1
	echo "$1 ${20}"
}

# record PORT NAME PID: remembers the pid with its start time, so that a
# process that later gets the same pid is never mistaken for it.
record() {
	local stat pids=$STATE/$1/pids
	stat=$(proc_stat "$3") || return 1
	if [ -e "$pids" ]; then
		sed -i "/^$2 /d" "$pids"
	fi
	echo "$2 $3 ${stat#* }" >>"$pids"
}

# pid_of PORT NAME: prints the pid when that very process still lives.
pid_of() {
	local name pid start stat
	[ -r "$STATE/$1/pids" ] || return 1
	while read -r name pid start; do
		if [ "$name" = "$2" ] && stat=$(proc_stat "$pid") && [ "${stat#* }" = "$start" ]; then
			echo "$pid"
			return 0
		fi
	done <"$STATE/$1/pids"
	return 1
}

# spawn PORT NAME COMMAND...: runs a daemon in a session of its own.
spawn() {
	local port=$1 name=$2
	shift 2
	setsid "$@" >>"$STATE/$port/log/$name.out" 2>&1 </dev/null 9>&- &
	record "$port" "$name" $! || fail_log "$port" "$name"
}

fail_log() {
	tail -n 15 "$STATE/$1/log/$2.out" >&2 || true
	die "port $1: $2 did not start"
}

kill_backend() {
	local name pid tries=0
	for name in $PROCESSES; do
		if pid=$(pid_of "$1" "$name"); then kill -KILL "$pid" 2>/dev/null || true; fi
	done
	for name in $PROCESSES; do
		while pid_of "$1" "$name" >/dev/null; do
			tries=$((tries + 1))
			[ "$tries" -lt 200 ] || die "port $1: $name does not die"
			sleep 0.05
		done
	done
}

signal_process() {
	local pid
	is_port "$2" || die "not a port: $2"
	pid=$(pid_of "$2" "$3") || die "no $3 on port $2"
	kill "-$1" "$pid"
}

# --- ports and HTTP ------------------------------------------------------

is_port() {
	case $1 in '' | *[!0-9]*) return 1 ;; esac
	[ "$1" -ge 1 ] && [ "$1" -le 65535 ]
}

port_busy() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_ports() {
	"$PYTHON" -c '
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held: s.bind(("127.0.0.1", 0))
for s in held: print(s.getsockname()[1])' "$1"
}

# s3_buckets PORT SCHEME ACCESS SECRET BUCKET...: waits for the server and
# creates the buckets; it gives up when a process of the backend is gone.
# Its own SigV4, because curl 7.88 leaves out x-amz-content-sha256 and takes no
# access key with a colon.
s3_buckets() {
	local pids
	pids=$(cut -d' ' -f2 "$STATE/$1/pids" | tr '\n' ,)
	START_TIMEOUT=$START_TIMEOUT REGION=$REGION PIDS=$pids "$PYTHON" - "$@" <<-'END'
	import hashlib, hmac, http.client, os, ssl, sys, time
	port, scheme, access, secret = sys.argv[1:5]
	region, end = os.environ['REGION'], time.time() + float(os.environ['START_TIMEOUT'])
	empty = hashlib.sha256(b'').hexdigest()

	def connect():
	    if scheme == 'http':
	        return http.client.HTTPConnection('127.0.0.1', int(port), timeout=10)
	    return http.client.HTTPSConnection('127.0.0.1', int(port), timeout=10,
	                                       context=ssl._create_unverified_context())

	def put(bucket):
	    now = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())
	    head = {'host': '127.0.0.1:' + port, 'x-amz-content-sha256': empty, 'x-amz-date': now}
	    canon = '\n'.join(['PUT', '/' + bucket, ''] + ['%s:%s' % h for h in sorted(head.items())] +
	                      ['', ';'.join(sorted(head)), empty])
	    scope = '%s/%s/s3/aws4_request' % (now[:8], region)
	    text = '\n'.join(['AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canon.encode()).hexdigest()])
	    key = ('AWS4' + secret).encode()
	    for part in (now[:8], region, 's3', 'aws4_request', text):
	        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
	    head['authorization'] = ('AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s'
	                             % (access, scope, ';'.join(sorted(head)), key.hex()))
	    head['content-length'] = '0'
	    c = connect()
	    c.request('PUT', '/' + bucket, headers=head)
	    r = c.getresponse()
	    body = r.read().decode('utf8', 'replace')
	    c.close()
	    return r.status, body

	for bucket in sys.argv[5:] or ['']:
	    while True:
	        why = ''
	        try:
	            if bucket == '':
	                connect().connect()
	                break
	            status, body = put(bucket)
	            if status == 200 or status == 409 and 'OwnedByYou' in body:
	                break
	            why = '%d %s' % (status, body)
	            if 400 <= status < 500:
	                sys.exit('port %s: bucket %s: %s' % (port, bucket, why))
	        except (OSError, http.client.HTTPException) as e:
	            why = str(e)
	        for pid in filter(None, os.environ['PIDS'].split(',')):
	            if not os.path.exists('/proc/' + pid):
	                sys.exit('port %s: process %s is gone' % (port, pid))
	        if time.time() > end:
	            sys.exit('port %s: no answer in time: %s' % (port, why))
	        time.sleep(0.02)
	END
}

# True when every process runs and the front end answers HTTP.
healthy() {
	local name pid stat scheme
	for name in $PROCESSES; do
		pid=$(pid_of "$1" "$name") || return 1
		stat=$(proc_stat "$pid") || return 1
		[ "${stat%% *}" != T ] || return 1
	done
	scheme=$(sed -n 's/^ENDPOINT=\([a-z]*\):.*/\1/p' "$STATE/$1/env" 2>/dev/null) || return 1
	[ -n "$scheme" ] && http_answers "$scheme" "$1"
}

http_answers() {
	"$PYTHON" - "$1" "$2" <<-'END' 2>/dev/null
	import http.client, ssl, sys
	if sys.argv[1] == 'http':
	    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[2]), timeout=3)
	else:
	    c = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[2]), timeout=3,
	                                    context=ssl._create_unverified_context())
	c.request('GET', '/')
	sys.exit(c.getresponse().status >= 500)
	END
}

# --- installation --------------------------------------------------------

install_packages() {
	local sudo='' policy=/usr/sbin/policy-rc.d made=''
	have_all && return 0
	command -v apt-get >/dev/null || die "missing; install the equivalents of: $PACKAGES"
	if [ "$(id -u)" != 0 ]; then
		sudo='sudo -n'
		$sudo true 2>/dev/null || die "missing packages; as root: apt-get install --no-install-recommends $PACKAGES"
	fi
	# Debian would start the packaged services; these scripts run their own.
	if [ ! -e $policy ]; then
		made=1
		printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
		$sudo chmod 755 $policy
	fi
	# shellcheck disable=SC2086
	{
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $PACKAGES ||
			{ $sudo apt-get update -qq &&
				$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $PACKAGES; }
	} </dev/null >&2 9>&- || {
		[ -z "$made" ] || $sudo rm -f $policy
		die "apt-get could not install: $PACKAGES"
	}
	[ -z "$made" ] || $sudo rm -f $policy
	have_all || die "still missing after installing: $PACKAGES"
}

have_commands() {
	local c
	# shellcheck disable=SC2086
	for c in $COMMANDS; do
		command -v "$c" >/dev/null || return 1
	done
}

# --- commands ------------------------------------------------------------

all_ports() {
	local d
	for d in "$STATE"/[0-9]*; do
		if [ -d "$d" ]; then echo "${d##*/}"; fi
	done | sort -n
}

lock() {
	mkdir -p "$STATE"
	chmod 700 "$STATE"
	exec 9>"$STATE/lock"
	flock -w 300 9 || die "another $SELF holds $STATE/lock"
}

remove_state() {
	if [ -n "${KEEP_LOGS:-}" ] && [ -d "$STATE/$1/log" ]; then
		find "$STATE/$1" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
	else
		rm -rf "${STATE:?}/${1:?}"
	fi
}

print_env() {
	local i=0 port pid
	echo "${PREFIX}_COUNT=$#"
	for port; do
		i=$((i + 1))
		[ -r "$STATE/$port/env" ] || die "no backend on port $port"
		sed "s/^/${PREFIX}_${i}_/" "$STATE/$port/env"
		if pid=$(pid_of "$port" "${PROCESSES%% *}"); then echo "${PREFIX}_${i}_PID=$pid"; fi
	done
}

# Sets PORTS from the arguments of start.
choose_ports() {
	local count=0 port
	PORTS=
	[ $# -gt 0 ] || die "start what? (see $SELF help)"
	if is_port "$1" && [ "$1" -lt 1024 ]; then
		count=$1
		shift
		[ $# -le "$count" ] || die "$# ports for $count backends"
	fi
	for port; do
		if ! is_port "$port" || [ "$port" -lt 1024 ]; then die "not a port above 1023: $port"; fi
		case " $PORTS " in *" $port "*) die "port $port given twice" ;; esac
		PORTS="$PORTS $port"
	done
	count=$((count - $#))
	# Asked for a number only: the backends that already run come first.
	for port in $(all_ports); do
		[ "$count" -gt 0 ] || break
		case " $PORTS " in *" $port "*) continue ;; esac
		[ -e "$STATE/$port/env" ] || continue
		PORTS="$PORTS $port"
		count=$((count - 1))
	done
	if [ "$count" -gt 0 ]; then
		PORTS="$PORTS $(free_ports "$count" | tr '\n' ' ')"
	fi
}

start() {
	local port job failed=''
	install_packages
	lock
	choose_ports "$@"
	STARTING=''
	JOBS=''
	trap 'abandon; exit 130' INT TERM HUP
	for port in $PORTS; do
		if healthy "$port"; then continue; fi
		kill_backend "$port"
		rm -rf "${STATE:?}/$port"
		if port_busy "$port"; then die "port $port is taken by another program"; fi
		STARTING="$STARTING $port"
	done
	set -m # each in a process group of its own, for abandon
	for port in $STARTING; do
		mkdir -p "$STATE/$port/log"
		{
			set +m
			trap - INT TERM HUP
			backend_start "$port"
		} &
		JOBS="$JOBS $!"
	done
	set +m
	for job in $JOBS; do
		wait "$job" || failed=1
	done
	if [ -n "$failed" ]; then
		abandon
		die "start failed; logs are in $STATE/PORT/log"
	fi
	trap - INT TERM HUP
	# shellcheck disable=SC2086
	print_env $PORTS
}

abandon() {
	local job port
	for job in $JOBS; do
		kill -KILL -- "-$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
	done
	for port in $STARTING; do kill_backend "$port"; done
}

stop() {
	local port
	[ -d "$STATE" ] || return 0
	lock
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(all_ports)
	for port; do
		is_port "$port" || die "not a port: $port"
		kill_backend "$port"
		remove_state "$port"
	done
	if [ -z "$(all_ports)" ]; then
		rm -f "$STATE/lock"
		rmdir "$STATE" 2>/dev/null || true
		[ -n "${S3_BACKENDS_STATE:-}" ] || rmdir "${STATE%/*}" 2>/dev/null || true
	fi
}

status() {
	local port name pid stat rss up=0 down=0
	for port in $(all_ports); do
		for name in $PROCESSES; do
			if pid=$(pid_of "$port" "$name") && stat=$(proc_stat "$pid"); then
				rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status")
				case ${stat%% *} in T | t) stat=paused ;; *) stat=running ;; esac
				printf '%s %s %s pid=%s rss=%sMiB\n' "$port" "$name" "$stat" "$pid" "$rss"
				up=$((up + 1))
			else
				printf '%s %s dead\n' "$port" "$name"
				down=$((down + 1))
			fi
		done
	done
	if [ "$up" = 0 ]; then return 3; fi
	[ "$down" = 0 ]
}

main() {
	local command=${1:-}
	[ $# -eq 0 ] || shift
	case $STATE in
	*[[:space:]]*) die "no white space in the state directory, please: $STATE" ;;
	/*) ;;
	*) die "not an absolute path: $STATE" ;;
	esac
	umask 077
	case $command in
	start) start "$@" ;;
	stop) stop "$@" ;;
	status) status ;;
	env)
		# shellcheck disable=SC2046
		[ $# -gt 0 ] || set -- $(all_ports)
		print_env "$@"
		;;
	install) install_packages ;;
	pause | resume | crash)
		[ $# -ge 1 ] || die "$command which port?"
		case $command in
		pause) signal_process STOP "$1" "${2:-${PROCESSES%% *}}" ;;
		resume) signal_process CONT "$1" "${2:-${PROCESSES%% *}}" ;;
		crash) signal_process KILL "$1" "${2:-${PROCESSES%% *}}" ;;
		esac
		;;
	revive)
		if [ $# -ne 1 ] || [ ! -r "$STATE/$1/env" ]; then die "no backend on port ${1:-?}"; fi
		pid_of "$1" "${PROCESSES%% *}" >/dev/null || backend_revive "$1"
		;;
	quota)
		if [ $# -ne 3 ] || [ ! -r "$STATE/$1/env" ]; then die 'quota PORT BUCKET BYTES|off'; fi
		backend_quota "$@"
		;;
	help | -h | --help) usage ;;
	*)
		if declare -F "command_$command" >/dev/null; then
			"command_$command" "$@"
		else
			usage >&2
			exit 2
		fi
		;;
	esac
}
