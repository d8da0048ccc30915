echo "redis-server $(dpkg-query -W -f '${Version}' redis-server)"
cd /var/lib/redis
sed -e 's/^bind .*/bind 0.0.0.0/' -e 's/^port .*/port 6379/' -e 's/^protected-mode .*/protected-mode no/' -e 's/^daemonize .*/daemonize no/' -e '/^supervised /d' \
	-e 's/^logfile .*/logfile ""/' -e '/^pidfile /d' -e 's|^dir .*|dir /var/lib/redis|' /etc/redis/redis.conf > /tmp/debian.conf
exec /usr/bin/redis-server /tmp/debian.conf
