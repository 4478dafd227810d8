# SPDX-License-Identifier: MIT
# bash completion for adminctl(8); the words are those of "adminctl help".

_adminctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="status top validate reload workers run replicate over-replication rebalance drain remove-backend reconcile verify sync object ls buckets cleanup-queue dlq replication-queue usage usage-flush log-level version help"
	local options="-config -socket-dir -addr -token -json -wait -r -all -limit -dry-run -execute -purge -confirm -backend -bucket -prefix"
	local jobs="cleanup_queue pending_reaper multipart_cleanup rebalance replication
	over_replication_cleanup lifecycle drain reconcile"
	local levels="debug info warn error"

	case $prev in
	-config | --config | -c)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-socket-dir | --socket-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-addr | --addr | -token | --token | -limit | --limit | -backend | --backend | -bucket | --bucket | -prefix | --prefix)
		return
		;;
	run)
		mapfile -t COMPREPLY < <(compgen -W "$jobs" -- "$cur")
		return
		;;
	drain)
		mapfile -t COMPREPLY < <(compgen -W "start status cancel" -- "$cur")
		return
		;;
	dlq)
		mapfile -t COMPREPLY < <(compgen -W "list retry write-off" -- "$cur")
		return
		;;
	log-level)
		mapfile -t COMPREPLY < <(compgen -W "$levels" -- "$cur")
		return
		;;
	esac
	case $cur in
	-*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	esac
}

complete -F _adminctl adminctl
