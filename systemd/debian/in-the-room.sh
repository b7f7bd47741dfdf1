# Nobody's meeting is ended by a package. A recording that is over and waits to be taken home goes on after the next start.
nobody_is_meeting() {
  [ -x /opt/meeting-recorder/bin/meeting-recorder ] || return 0
  if said=$(/opt/meeting-recorder/bin/meeting-recorder room status --json 2>/dev/null); then
    state=$(printf '%s\n' "$said" | sed -n '$s/^{"is":"snapshot","state":"\([a-z]*\)".*/\1/p')
  elif [ -d /run/systemd/system ] && systemctl --quiet is-active meeting-recorder.service; then
    state='that it does not tell'
  else
    return 0
  fi
  case $state in
    idle | declined | handover) return 0 ;;
  esac
  echo "meeting-recorder: a meeting is going on (state: $state). Nothing was changed." >&2
  echo "Try again when it is over. If nobody is there: meeting-recorder room stop, or systemctl stop meeting-recorder" >&2
  return 1
}
