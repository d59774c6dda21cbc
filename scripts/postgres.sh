#!/usr/bin/env bash
# Tests of other engines start a PostgreSQL server of their own. Debian's package serves; where it cannot be had, those tests skip and say so.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && exit 0
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
(apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql) >/dev/null 2>&1 || echo "postgresql could not be installed: its tests will skip"
