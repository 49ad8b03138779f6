#!/usr/bin/env bash
# Runs rustdoc with its unstable flags, for api.sh: of all that cargo starts, only rustdoc gets them.
exec env RUSTC_BOOTSTRAP=1 rustdoc "$@"
