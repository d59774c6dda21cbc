#!/usr/bin/env bash
# Spark's tests need Java. Debian's package serves; where it cannot be had, those tests skip and say so.
command -v java >/dev/null && exit 0
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
(apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jre-headless) >/dev/null 2>&1 || echo "java could not be installed: Spark's tests will skip"
