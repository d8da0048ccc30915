echo "inetutils-telnetd $(dpkg-query -W -f '${Version}' inetutils-telnetd)"
printf 'telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n' > /etc/inetd.conf
if command -v inetutils-inetd >/dev/null; then exec inetutils-inetd -d /etc/inetd.conf; fi
exec socat TCP-LISTEN:23,fork,reuseaddr EXEC:/usr/sbin/telnetd,nofork
