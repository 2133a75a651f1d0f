#!/usr/bin/env bash
# Programs that the tests start. Installed if missing and run as root with apt; otherwise the error names them.
set -euo pipefail

has() { command -v "$1" >/dev/null 2>&1; }
has_browser() { has chromium-headless-shell || has chromium || has chromium-browser || has google-chrome; }
has_postgres() { has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_faketime() { ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1; }

# Without them tests are skipped or take longer: the headless shell needs a quarter less CPU time than the whole browser.
optional=()
has chromium-headless-shell || optional+=(chromium-headless-shell)
has ip || optional+=(iproute2)
has_faketime || optional+=(libfaketime)
required=()
has redis-server || required+=(redis-server)
has nginx || [ -x /usr/sbin/nginx ] || required+=(nginx-light)
has_postgres || required+=(postgresql)

install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

if [ "$(id -u)" = 0 ] && has apt-get; then
	[ $((${#required[@]} + ${#optional[@]})) = 0 ] && exit 0
	echo "Installing ${required[*]} ${optional[*]} …"
	apt-get update -qq
	# Debian's package would create and start a server of its own; the tests start theirs.
	if ! has_postgres; then
		mkdir -p /etc/postgresql-common/createcluster.d
		echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/agentflow-tests.conf
	fi
	for package in "${optional[@]}"; do
		install "$package" 2>/dev/null || echo "agentflow: $package is not available: some tests are skipped or take longer"
	done
	has_browser || required+=(chromium)
	[ ${#required[@]} = 0 ] || install "${required[@]}"
else
	has_browser || required+=(chromium)
	if [ ${#required[@]} -gt 0 ]; then
		echo "agentflow: the tests need ${required[*]}: install with your package manager (Debian: apt-get install ${required[*]})"
		exit 1
	fi
	[ ${#optional[@]} = 0 ] || echo "agentflow: without ${optional[*]} some tests are skipped or take longer"
fi
