echo "vsftpd $(dpkg-query -W -f '${Version}' vsftpd)"
mkdir -p /var/run/vsftpd/empty
cat > /etc/vsftpd.conf <<'C'
listen=YES
listen_ipv6=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
port_enable=NO
dirmessage_enable=YES
use_localtime=YES
xferlog_enable=YES
connect_from_port_20=YES
chroot_local_user=NO
secure_chroot_dir=/var/run/vsftpd/empty
pam_service_name=vsftpd
background=NO
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
C
exec /usr/sbin/vsftpd /etc/vsftpd.conf
