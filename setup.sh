#!/bin/sh
# Sets up what is needed and does one of four things; no other preparation, on a fresh Debian 12 or 13 or Raspberry Pi OS:
#
#   sh setup.sh demo [OPTION...]           the whole job without hardware (options: those of `meeting-recorder demo`)
#   sh setup.sh test [PYTEST-ARGUMENT...]  style, types, layers and tests; with arguments only pytest, with these
#   sh setup.sh package [FOLDER] [OPTION...]   the Debian package for an appliance (docs/administration.md), into FOLDER or dist/
#   sh setup.sh lab [FOLDER]               the room's virtual machine, for the tests that are marked `lab` (docs/lab.md); as root
#
# Python packages go into .venv here, which runs what lies in this folder; a second call finds all in place and starts at once.
# Debian packages that are missing are installed by apt-get, by sudo where you are not root, and it is said which and why.
# All of that is said on stderr: on stdout is only what the command itself prints, and its exit status is passed on.
set -eu

# Debian packages, each with what it is for.
python_packages='python3:runs_it python3-venv:a_place_of_its_own_for_the_Python_packages'
demo_packages='libportaudio2:the_microphone'
test_packages="$demo_packages
  pulseaudio:a_microphone_for_the_tests pulseaudio-utils:plays_into_it libasound2-plugins:shows_it_to_PortAudio
  espeak-ng:a_voice sox:another_reader_of_sound ffmpeg:another_reader_of_sound
  tmux:a_terminal_for_the_screens procps:looks_at_processes strace:sees_what_is_read_and_written
  mount:mounts_a_test_stick e2fsprogs:a_file_system_for_it util-linux:prlimit,_unshare
  chromium:opens_the_page_of_a_copy openssh-client:checks_the_signature_of_a_copy openssl:checks_its_time-stamp_request
  fuse3:a_stick_that_lies libfuse2:the_same dbus:sticks_that_are_plugged_in udev:the_same udisks2:the_same polkitd:who_may_mount_them
  dosfstools:sticks_as_they_are_sold exfatprogs:the_same fdisk:two_partitions_on_one_stick systemd:reads_the_units"
lab_packages="qemu-system-x86:the_machine qemu-utils:its_disk debootstrap:what_is_on_it openssh-client:the_way_into_it
  e2fsprogs:its_file_system dosfstools:its_sticks exfatprogs:its_sticks fdisk:its_sticks"

top=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
venv=$top/.venv

say() { printf '%s\n' "$*" >&2; }

# missing NAME:REASON... prints those whose package is not installed.
missing() {
  for wanted in "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "${wanted%%:*}" 2>/dev/null) || state=
    [ "$state" = installed ] || printf '%s ' "$wanted"
  done
}

# as_root COMMAND... fails if there is no way to be root; asks for a password only where somebody can type one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    say "Not root, and there is no sudo."
    return 1
  elif sudo -n true 2>/dev/null; then
    sudo -n "$@"
  elif [ -t 0 ] && [ -t 2 ]; then
    sudo "$@"
  else
    say "Not root, and sudo wants a password that nobody can type here."
    return 1
  fi
}

# debian NAME:REASON... installs what is missing; fails if that is not possible.
debian() {
  if ! command -v dpkg-query >/dev/null; then
    say "This is no Debian: see to it yourself that these are there: $(names "$@")"
    return 0
  fi
  lacking=$(missing "$@")
  [ -n "$lacking" ] || return 0
  say "Debian packages that are missing:"
  for wanted in $lacking; do
    say "  ${wanted%%:*} ($(printf %s "${wanted#*:}" | tr _ ' '))"
  done
  packages=$(names $lacking)
  as_root true || return 1
  say "Installing them: apt-get install $packages"
  # A fresh system has no list of packages yet, and an old list names versions that are gone.
  # shellcheck disable=SC2086
  install $packages || { as_root apt-get -q update >&2 && install $packages; }
}

names() {
  for wanted in "$@"; do printf '%s ' "${wanted%%:*}"; done
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" </dev/null >&2
}

# find_python prints a Python of 3.11 or newer that can make a venv.
find_python() {
  for python in python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$python"
      return 0
    fi
  done
  return 1
}

# What the installation depends on beside the code, which .venv reads where it lies. (The path: a venv cannot be moved.)
stamp() {
  cd -- "$top"
  printf '%s\n' "$top"
  cksum pyproject.toml hatch_build.py appliance/__init__.py
  find appliance/locale -name '*.po' -exec cksum {} + 2>/dev/null | sort
}

is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$(stamp)" ] && "$venv/bin/python" -c '' 2>/dev/null; }

# python_setup WHAT: '.' for the product, '.[test]' for the tests too.
python_setup() {
  ready=$venv/ready-${1#.}
  ! is_current "$ready" || return 0
  if ! is_current "$venv/ready-" && ! is_current "$venv/ready-[test]"; then
    python=$(find_python) || {
      # shellcheck disable=SC2086
      debian $python_packages || :
      python=$(find_python) || {
        say "There is no Python of 3.11 or newer with venv here. On Debian: apt-get install python3 python3-venv"
        return 1
      }
    }
    say "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" >&2
  fi
  say "Installing $1 and what it needs into .venv"
  (cd -- "$top" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$1" >&2)
  stamp >"$ready"
}

demo() {
  # shellcheck disable=SC2086
  debian $demo_packages || say "Going on without libportaudio2: no microphone, a spoken sample instead."
  python_setup .
  exec "$venv/bin/meeting-recorder" demo "$@"
}

tests() {
  # shellcheck disable=SC2086
  debian $test_packages || {
    say "The tests need these packages, and they could not be installed. As root: apt-get install $(names $(missing $test_packages))"
    exit 1
  }
  python_setup '.[test]'
  cd -- "$top"
  PATH=$venv/bin:$PATH
  export PATH
  if [ $# -eq 0 ]; then
    ruff format --check
    ruff check
    mypy
    lint-imports
  fi
  [ $# -gt 0 ] || set -- -n 2
  exec python -m pytest "$@"
}

lab() {
  # shellcheck disable=SC2086
  debian $lab_packages || {
    say "The lab needs these packages, and they could not be installed. As root: apt-get install $(names $(missing $lab_packages))"
    exit 1
  }
  python_setup '.[test]'
  cd -- "$top"
  exec "$venv/bin/python" -m tests.lab.build "$@"
}

package() {
  command -v dpkg-deb >/dev/null || {
    say "A Debian package is made with dpkg-deb, and that is not here."
    exit 1
  }
  python_setup '.[package]'
  exec "$venv/bin/python" "$top/systemd/debian/build.py" "$@"
}

what=${1-}
[ $# -eq 0 ] || shift
case $what in
  demo) demo "$@" ;;
  test) tests "$@" ;;
  lab) lab "$@" ;;
  package) package "$@" ;;
  *)
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
