echo "mariadb-server $(dpkg-query -W -f '${Version}' mariadb-server)"
rm -rf /var/lib/mysql/*; mkdir -p /run/mysqld; chown mysql /run/mysqld /var/lib/mysql
mariadb-install-db --user=mysql --auth-root-authentication-method=socket >/dev/null
(
	until mariadb -e 'select 1' >/dev/null 2>&1; do sleep 0.1; done
	mariadb -e "CREATE USER '$USERNAME'@'%' IDENTIFIED BY '$PASSWORD'; GRANT ALL ON *.* TO '$USERNAME'@'%' WITH GRANT OPTION; CREATE USER 'root'@'%' IDENTIFIED BY '$ROOT_PASSWORD'; GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
) &
exec mariadbd --user=mysql --bind-address=0.0.0.0
