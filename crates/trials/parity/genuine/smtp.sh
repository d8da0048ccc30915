echo "postfix $(dpkg-query -W -f '${Version}' postfix)"
postconf -e "myhostname=$FQDN" "mydestination=$FQDN, $HOST, localhost" "mynetworks=127.0.0.0/8" "inet_interfaces=all" "inet_protocols=ipv4" "smtputf8_enable=yes" "myorigin=/etc/mailname" "maillog_file=/var/log/postfix.log" "compatibility_level=3.6" "smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem" "smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key" "smtpd_tls_security_level=may" "alias_maps=hash:/etc/aliases" "biff=no" "readme_directory=no"
newaliases 2>/dev/null
exec postfix start-fg
