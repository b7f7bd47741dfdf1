#!/bin/bash
# image.sh FOLDER PACKAGE...: the disk of the room's virtual machine, its kernel and its initrd, made into FOLDER. Root; called by build.py.
#
# Debian 13 (what Raspberry Pi OS is today) with its own kernel, systemd, UDisks2, an ALSA loopback card, a simulated gpiochip, and
# cage with foot for the table's screen. PACKAGEs are Python packages, put into /opt/meeting-recorder: the machine has no network.
# MIRROR is Debian's; SUITE=bookworm makes a Debian 12 of it.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
folder=$(realpath "${1:?folder}")
shift
root=$folder/root
suite=${SUITE:-trixie}
mirror=${MIRROR:-http://deb.debian.org/debian}

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
inside() { env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"; }
add() { inside apt-get -q -y --no-install-recommends install "$@"; }
leave() {
  for place in dev sys proc; do
    ! mountpoint -q "$root/$place" || umount "$root/$place"
  done
}

cd "$folder"
leave
rm -rf --one-file-system "$root"
trap leave EXIT

say "base system: $suite"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror"
for part in "$mirror $suite" "$mirror $suite-updates" "$mirror-security $suite-security"; do echo "deb $part main"; done >"$root/etc/apt/sources.list"
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing is started in here
chmod +x "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount --bind /dev "$root/dev"
inside apt-get -q update
add initramfs-tools zstd
sed -i 's/^MODULES=.*/MODULES=list/' "$root/etc/initramfs-tools/initramfs.conf"
printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules"

say "kernel, systemd, sound, sticks, screen"
add linux-image-amd64 systemd systemd-sysv libpam-systemd dbus udev kmod udisks2 polkitd dosfstools exfatprogs e2fsprogs dmsetup \
  libportaudio2 libsndfile1 python3 python3-venv openssh-server alsa-utils iproute2 procps less tmux kbd console-setup usbutils gpiod \
  cage foot fonts-dejavu-core libgl1-mesa-dri

say "gpio-sim: Debian has it switched off, so it is built from Debian's kernel source, with the interrupt simulator that it needs"
kernel=$(ls "$root/lib/modules" | sort -V | tail -1)
series=$(echo "$kernel" | cut -d. -f1,2)
add "linux-headers-$kernel" "linux-source-$series" make gcc xz-utils
inside sh -ec "mkdir /root/gpio; cd /root/gpio
  source=linux-source-$series
  tar xJf /usr/src/\$source.tar.xz --strip-components=1 \$source/drivers/gpio/gpio-sim.c \$source/drivers/gpio/gpiolib.h \$source/kernel/irq/irq_sim.c
  cp drivers/gpio/gpio-sim.c gpio-sim-core.c
  cp drivers/gpio/gpiolib.h .
  sed 's/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/' kernel/irq/irq_sim.c >irq_sim.c
  printf 'obj-m := gpio-sim.o\ngpio-sim-y := gpio-sim-core.o irq_sim.o\n' >Kbuild
  make -C /lib/modules/$kernel/build M=/root/gpio modules
  install -D -m644 gpio-sim.ko /lib/modules/$kernel/updates/gpio-sim.ko
  depmod $kernel
  cd /
  rm -rf /root/gpio"
inside apt-get -q -y purge 'linux-headers-*' 'linux-source-*' make gcc
inside apt-get -q -y autoremove --purge

say "Python packages: $*"
inside python3 -m venv /opt/meeting-recorder
inside /opt/meeting-recorder/bin/python -m pip install --quiet --disable-pip-version-check "$@"
install -m755 "$here/guest/meeting-recorder" "$root/opt/meeting-recorder/bin/meeting-recorder"
mkdir "$root/opt/meeting-recorder/product"

say "settings"
[ -f key ] || ssh-keygen -q -t ed25519 -N '' -C room -f key
install -d -m700 "$root/root/.ssh"
install -m600 key.pub "$root/root/.ssh/authorized_keys"
echo room >"$root/etc/hostname"
printf '127.0.0.1 localhost room\n' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults,errors=remount-ro 0 1' >"$root/etc/fstab"
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/lan.network"
inside systemctl -q enable systemd-networkd ssh
inside systemctl -q mask systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer
printf 'snd-aloop\ngpio-sim\n' >"$root/etc/modules-load.d/room.conf"
echo 'options snd-aloop index=0 id=Loopback pcm_substreams=1' >"$root/etc/modprobe.d/room.conf"
: >"$root/etc/machine-id"
mkdir -p "$root/var/log/journal"
install -m755 "$here/guest/gpio-chip" "$root/usr/local/sbin/gpio-chip"
install -m644 "$here"/guest/*.service "$here"/guest/*.mount "$root/etc/systemd/system/"
inside systemctl -q enable gpio-chip
inside apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d"
cp "$root/boot/vmlinuz-$kernel" vmlinuz
cp "$root/boot/initrd.img-$kernel" initrd.img
leave
trap - EXIT

say "the disk"
rm -f base.img
truncate -s 4G base.img
mkfs.ext4 -q -F -L room -d "$root" base.img
rm -rf --one-file-system "$root"
