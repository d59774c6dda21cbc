#!/usr/bin/env bash
# Tests that look at reports need a browser. Debian's chromium serves; where it cannot be had, those tests skip and say so.
command -v chromium >/dev/null && exit 0
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
(apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core) >/dev/null 2>&1 || echo "chromium could not be installed: browser tests will skip"
