echo "redis-server $(dpkg-query -W -f '${Version}' redis-server)"
printf 'bind 0.0.0.0 -::*\nprotected-mode no\nport 6379\ndaemonize no\ndir /var/lib/redis\nsupervised no\n' > /tmp/redis.conf
sed -e 's/^bind .*/bind 0.0.0.0/' -e 's/^protected-mode .*/protected-mode no/' -e 's/^daemonize .*/daemonize no/' -e 's/^supervised .*//' -e 's/^logfile .*/logfile ""/' -e 's/^pidfile .*//' /etc/redis/redis.conf > /tmp/debian.conf
cd /var/lib/redis
exec /usr/bin/redis-server /tmp/debian.conf
