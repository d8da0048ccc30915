echo "postfix $(dpkg-query -W -f '${Version}' postfix)"
postconf -e "myhostname=$FQDN" "mydestination=$FQDN, $HOST, localhost" "mynetworks=127.0.0.0/8" inet_interfaces=all inet_protocols=ipv4 \
	myorigin=/etc/mailname maillog_file=/var/log/postfix.log compatibility_level=3.6 alias_maps=hash:/etc/aliases biff=no \
	smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key smtpd_tls_security_level=may \
	smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth
newaliases 2>/dev/null
cat > /tmp/dovecot.conf <<C
protocols =
auth_mechanisms = plain login
disable_plaintext_auth = no
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
C
mkdir -p /run/dovecot /var/spool/postfix/private
dovecot -c /tmp/dovecot.conf
exec postfix start-fg
