echo "apache2 $(dpkg-query -W -f '${Version}' apache2)"
# The same first page; the decky's own answers tell it apart only by its date.
exec 3<>/dev/tcp/127.0.0.1/9 2>/dev/null || true
a2dismod -q -f ssl 2>/dev/null; rm -f /etc/apache2/sites-enabled/*; cp /etc/apache2/sites-available/000-default.conf /etc/apache2/sites-enabled/
printf 'Listen 80\n' > /etc/apache2/ports.conf
[ -f /tmp/index.html ] && cp /tmp/index.html /var/www/html/index.html
mkdir -p /var/log/apache2 /run/apache2 /run/lock
exec apache2ctl -D FOREGROUND
