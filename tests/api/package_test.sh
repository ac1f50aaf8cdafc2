#!/usr/bin/env bash
# Builds the Debian package, looks into it, and installs, upgrades, removes and purges it in a root of its own.
#   package_test.sh BUILD_DIR WORK_DIR VERSION
set -euo pipefail
build=$1 work=$2 version=$3
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

fail() { printf 'package: %s\n' "$*" >&2; exit 1; }
say() { printf 'package: %s\n' "$*"; }

rm -rf "$work"
mkdir -p "$work"
(cd "$build" && cpack -G DEB -B "$work" > "$work/cpack.log" 2>&1) || { cat "$work/cpack.log" >&2; fail 'cpack failed'; }
packages=("$work"/vouchdb_*.deb)
[ ${#packages[@]} -eq 1 ] || fail "one package was expected: ${packages[*]}"
package=${packages[0]}

# --- what is in it
expected_files='
./etc/vouch/vouch.yaml
./usr/bin/vouch
./usr/lib/systemd/system/vouchdb.service
./usr/share/doc/vouchdb/copyright
./usr/share/vouch/proto/vouch/v1/admin.proto
./usr/share/vouch/proto/vouch/v1/answers.proto
./usr/share/vouch/proto/vouch/v1/audit.proto
./usr/share/vouch/proto/vouch/v1/calibration.proto
./usr/share/vouch/proto/vouch/v1/collections.proto
./usr/share/vouch/proto/vouch/v1/delivery.proto
./usr/share/vouch/proto/vouch/v1/documents.proto
./usr/share/vouch/proto/vouch/v1/drift.proto
./usr/share/vouch/proto/vouch/v1/embeddings.proto
./usr/share/vouch/proto/vouch/v1/evaluation.proto
./usr/share/vouch/proto/vouch/v1/evaluations.proto
./usr/share/vouch/proto/vouch/v1/experiments.proto
./usr/share/vouch/proto/vouch/v1/exports.proto
./usr/share/vouch/proto/vouch/v1/feedback.proto
./usr/share/vouch/proto/vouch/v1/hooks.proto
./usr/share/vouch/proto/vouch/v1/lineage.proto
./usr/share/vouch/proto/vouch/v1/manifest.proto
./usr/share/vouch/proto/vouch/v1/migrations.proto
./usr/share/vouch/proto/vouch/v1/pipelines.proto
./usr/share/vouch/proto/vouch/v1/points.proto
./usr/share/vouch/proto/vouch/v1/records.proto
./usr/share/vouch/proto/vouch/v1/routes.proto
./usr/share/vouch/proto/vouch/v1/search.proto
./usr/share/vouch/proto/vouch/v1/spending.proto'
dpkg -c "$package" > "$work/list"
diff <(printf '%s\n' $expected_files) <(awk '$1 ~ /^-/ { print $6 }' "$work/list" | sort) ||
  fail 'its files are not those expected (left)'
awk '$2 != "root/root" { bad = 1; print } END { exit bad }' "$work/list" || fail 'not everything in it is owned by root'
awk '$1 ~ /^d/ && $1 != "drwxr-xr-x" { bad = 1; print } END { exit bad }' "$work/list" || fail 'folders of other modes'
awk '$6 == "./usr/bin/vouch" ? $1 != "-rwxr-xr-x" : $1 ~ /^-/ && $1 != "-rw-r--r--" { bad = 1; print } END { exit bad }' \
  "$work/list" || fail 'files of other modes'

field() { dpkg-deb -f "$package" "$1"; }
[ "$(field Package)" = vouchdb ] || fail "it is called $(field Package)"
[ "$(field Recommends)" = poppler-utils ] || fail "it recommends $(field Recommends), not what reads PDF files"
[ "$(field Version)" = "$version" ] || fail "its version is $(field Version), not $version"
[ "$(field Architecture)" = "$(dpkg --print-architecture)" ] || fail "it is for $(field Architecture)"
[ -n "$(field Maintainer)" ] || fail 'it has no maintainer'
[ "$(field Description | wc -l)" -gt 1 ] || fail 'it has no description'
dpkg-deb --ctrl-tarfile "$package" | tar -tv > "$work/control"
for name in conffiles md5sums postinst prerm postrm; do
  grep -q " ./$name\$" "$work/control" || fail "there is no $name in it"
done
for name in postinst prerm postrm; do
  grep -q "^-rwxr-xr-x.* ./$name\$" "$work/control" || fail "$name cannot be run"
done

# --- it depends on the package of each library that the program names, and runs
dpkg-deb -x "$package" "$work/extracted"
program=$work/extracted/usr/bin/vouch
depends=$(field Depends | tr ',' '\n' | awk '{ print $1 }')
ldd "$program" > "$work/ldd"
! grep 'not found' "$work/ldd" || fail 'a library is missing'
for library in $(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }'); do
  path=$(awk -v name="$library" '$1 == name { print $3 }' "$work/ldd")
  [ -n "$path" ] || continue  # the dynamic linker itself, of libc6
  owner=$( (dpkg -S "$path" || dpkg -S "$(realpath "$path")" || dpkg -S "/usr$path") 2>/dev/null | head -n 1 | cut -d: -f1)
  [ -n "$owner" ] || fail "$library is in no package"
  names=$(dpkg-query -W -f '${Package},${Provides}' "$owner" | head -n 1 | tr ',' '\n' | awk '{ print $1 }')
  grep -qxF "$names" <<< "$depends" || fail "it needs $library of $owner and depends only on:" $depends
done
"$program" version | grep -q "^vouch $version " || fail 'the program in it does not run'
{ "$program" serve --config "$work/extracted/etc/vouch/vouch.yaml" --listen nowhere 2>&1 || true; } | grep -q HOST:PORT ||
  fail 'the program does not read the settings in it'

# --- the unit
unit=$work/extracted/usr/lib/systemd/system/vouchdb.service
grep -q '^ExecStart=/usr/bin/vouch serve --config /etc/vouch/vouch.yaml$' "$unit" || fail 'the unit starts something else'
grep -q '^DynamicUser=yes$' "$unit" || fail 'the unit gives the server no user of its own'
grep -q "^StateDirectory=$(sed -n 's,^data: /var/lib/,,p' "$work/extracted/etc/vouch/vouch.yaml")\$" "$unit" ||
  fail 'the server may not write to the data folder of its settings'
if command -v systemd-analyze > /dev/null; then
  sed "s,^ExecStart=/usr/bin/vouch,ExecStart=$program," "$unit" > "$work/vouchdb.service"
  systemd-analyze verify "$work/vouchdb.service" > "$work/verify" 2>&1 || { cat "$work/verify" >&2; fail 'the unit is not sound'; }
  ! grep vouchdb "$work/verify" || fail 'systemd warns of the unit'
else
  say 'systemd-analyze is not here, so the unit was not verified'
fi

# --- installed, upgraded, removed and purged, in a root of its own; dpkg wants to be root there
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(unshare --map-root-user)
  "${as_root[@]}" true 2> /dev/null || { say 'neither root nor a user namespace, so it was not installed'; exit 0; }
fi
root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/vouch" "$root/tmp"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available" "$root/var/lib/vouch/data"
# The scripts run outside of that root and are told of it (DPKG_ROOT): they leave this machine's systemd alone.
in_root() {
  "${as_root[@]}" dpkg --root="$root" --log="$work/dpkg.log" --force-depends --force-confold --force-script-chrootless \
    "$@" < /dev/null > "$work/dpkg.out" 2>&1 || { cat "$work/dpkg.out" >&2; fail "dpkg $1 failed"; }
}
state() { dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status}' vouchdb 2> /dev/null || echo none; }

in_root -i "$package"
[ "$(state)" = installed ] || fail "once installed it is '$(state)'"
"$root/usr/bin/vouch" version > /dev/null || fail 'the installed program does not run'
echo '# ours' >> "$root/etc/vouch/vouch.yaml"
echo 'OPENAI_API_KEY=x' > "$root/etc/vouch/environment"
in_root -i "$package"
grep -q '^# ours$' "$root/etc/vouch/vouch.yaml" || fail 'an upgrade lost changed settings'

in_root -r vouchdb
[ "$(state)" = config-files ] || fail "once removed it is '$(state)'"
for path in usr/bin/vouch usr/lib/systemd/system/vouchdb.service usr/share/vouch; do
  [ ! -e "$root/$path" ] || fail "$path is still there once it was removed"
done
grep -q '^# ours$' "$root/etc/vouch/vouch.yaml" || fail 'a removal lost changed settings'
[ -e "$root/etc/vouch/environment" ] || fail 'a removal lost the environment file'

in_root --purge vouchdb
[ "$(state)" = none ] || [ "$(state)" = not-installed ] || fail "once purged it is '$(state)'"
[ ! -e "$root/etc/vouch" ] || fail 'settings are still there once it was purged'
[ -e "$root/var/lib/vouch/data" ] || fail 'a purge took the data'
grep -q 'the data in /var/lib/vouch' "$work/dpkg.out" || fail 'a purge does not say that data stays'
rm -rf "$work"
